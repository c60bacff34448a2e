/**
 * Writing a model in another type or format, as the convert command does: a directory in the Hugging Face layout or a
 * GGUF file, which appears when it is complete. Reading and packing of weights belong to the engine.
 */
package dev.isthmus.tools.convert;
