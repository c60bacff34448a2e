/**
 * Byte pair encoding as GPT-2's tokenizer does it: text to token ids, ids to bytes, and streams that show whole
 * characters only. The readers of vocab.json, merges.txt, tokenizer.json and of a GGUF file's tokenizer are here.
 * Models and sessions are not.
 */
package dev.isthmus.engine.tokenizer;
