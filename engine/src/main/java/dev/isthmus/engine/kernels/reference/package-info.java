/**
 * The operations in plain Java with float64 activations and sums: the oracle that every other implementation is
 * compared with. It stays as simple as the formulas; nothing here is made faster at the price of being harder to
 * read, and no native library is called.
 */
package dev.isthmus.engine.kernels.reference;
