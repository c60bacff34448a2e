package dev.isthmus.bench;

import dev.isthmus.engine.config.WeightType;

/**
 * What one call of a kernel has to do at least.
 *
 * @param bytes read from and written to memory
 * @param operations multiplications and additions, counted separately
 * @param arithmetic the weights whose kind of arithmetic bounds it: F32 for float32, INT8 for bytes
 */
record Work(double bytes, double operations, WeightType arithmetic) {}
