/**
 * Benchmarks of kernels and of whole models at the shapes of GPT-2 124M, with the machine's limits for comparison.
 * Every benchmark checks its result against the reference kernels before anything is timed. Nothing that the product
 * needs may be here.
 */
package dev.isthmus.bench;
