package dev.isthmus.engine.tokenizer;

/**
 * What a BPE model does beyond merging.
 *
 * @param unknownToken the token for a byte that has none; null to refuse such a byte
 * @param fusesUnknown whether neighbouring bytes without a token share one unknown token
 * @param fallsBack whether a character of the byte alphabet that has no token is written with the tokens
 *     {@code <0xC4>} of its UTF-8, where all are there
 * @param ignoresMerges whether a piece that is a token is taken whole
 */
record BytePairRules(String unknownToken, boolean fusesUnknown, boolean fallsBack, boolean ignoresMerges) {

    /** GPT-2's own. */
    static final BytePairRules GPT2 = new BytePairRules(null, false, false, false);
}
