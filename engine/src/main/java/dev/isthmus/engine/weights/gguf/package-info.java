/**
 * GGUF files of architecture gpt2, whole or in parts: the reader of headers, total over all bytes, the writer, ggml's
 * block types, and transformers' names for GGUF's. Other formats are not known here.
 */
package dev.isthmus.engine.weights.gguf;
