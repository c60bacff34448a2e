/**
 * Memory segments with an element type and a shape, on the host or on a device. Bounds, alignment and the arithmetic
 * of shapes are decided here; what a tensor means, who owns its memory and what is computed with it is not known
 * here.
 */
package dev.isthmus.engine.tensor;
