/**
 * Readers and writers of the files that weights come in: safetensors, shards and GGUF, with the text, UTF-8, JSON and
 * limits that they need. Readers are total: any bytes give a checkpoint or a typed error, in time and memory bounded
 * by the file. Names of GPT-2's tensors, packing for kernels and mapping onto a model are not for this package.
 */
package dev.isthmus.engine.weights;
