/**
 * The configuration of a GPT-2 model, read from config.json or from a GGUF file's metadata, and the types in which
 * weights are kept. Everything that transformers accepts is read as it reads it, or refused by name. Weights,
 * tokenizers and computing do not belong here.
 */
package dev.isthmus.engine.config;
