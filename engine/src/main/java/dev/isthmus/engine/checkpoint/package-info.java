/**
 * The weights of a model on disk, whatever the format: finding them and reading their tensors. Readers are total: any
 * bytes give a checkpoint or a typed error, in time and memory bounded by the file. Packing for kernels and mapping
 * onto a model are not for this package.
 */
package dev.isthmus.engine.checkpoint;
