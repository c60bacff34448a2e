/**
 * GPT-2 itself: the forward pass over the operations of the kernels, the map from a checkpoint's names to tensors,
 * and the execution contexts that passes borrow. The transformer is written once for all backends. Sessions, sampling
 * and text are not known here, nor is a particular backend.
 */
package dev.isthmus.engine.model;
