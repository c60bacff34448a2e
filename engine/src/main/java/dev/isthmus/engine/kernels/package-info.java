/**
 * The operations of a forward pass as one interface, the batch of rows that they compute, and the forms of matrices.
 * All of a transformer's arithmetic goes through this line, and shapes are checked on it. Implementations lie in the
 * packages below; the order of a transformer's operations and names of weights do not belong here.
 */
package dev.isthmus.engine.kernels;
