/**
 * What a stored tensor is, whatever the format: its element type, its place in a file, and a source of its bytes to be
 * written. The formats are the packages below; none of them is known here.
 */
package dev.isthmus.engine.weights;
