// The public face of hebb/plot: charts and pictures as text for web pages.

export { escapeText } from './axes.js'
export { lineChart } from './line.js'
export type { LineChartOptions, Series } from './line.js'
export { barChart } from './bar.js'
export type { Bar, BarChartOptions } from './bar.js'
export { heatMap } from './heat.js'
export type { HeatMapOptions } from './heat.js'
export { filterPictures, imageGrid, imagePicture } from './pictures.js'
export type { Tile } from './pictures.js'
export { base64, encodePng, pictureAddress } from './png.js'
export type { Picture } from './png.js'
