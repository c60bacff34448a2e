/**
 * A model's weights in other types and formats, for files to be written. Nothing that runs a model may import this
 * package.
 */
package dev.isthmus.engine.convert;
