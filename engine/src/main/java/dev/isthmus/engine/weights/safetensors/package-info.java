/**
 * Safetensors files and the index of their shards: the reader of headers, total over all bytes, and the writer. Other
 * formats and names of GPT-2's tensors are not known here.
 */
package dev.isthmus.engine.weights.safetensors;
