package dev.isthmus.engine.tokenizer;

/**
 * What happens to a text before and after its pieces are encoded. Immutable.
 *
 * @param added the tokens that are found in it first
 * @param splitting how the text between them is split
 * @param postProcessor what surrounds the ids
 */
record TextRules(AddedTokens added, PreTokenization splitting, PostProcessor postProcessor) {}
