package dev.isthmus.engine.tokenizer;

/**
 * A token that stands for its text wherever it appears, before any splitting into pieces.
 *
 * @param content its text, not empty
 * @param id its id
 * @param special whether it is control rather than text, so that a user's text must not produce it by itself
 * @param normalized whether it is looked for after the tokens that are not (Hugging Face tokenizers look for those
 *     in the text as it came, and for these in what a normalizer made of the rest)
 */
record AddedToken(String content, int id, boolean special, boolean normalized) {}
