package dev.isthmus.engine.tokenizer;

/**
 * A token that stands for its text wherever it appears, before any splitting into pieces.
 *
 * @param content its text, not empty
 * @param id its id
 * @param special whether it is control rather than text, so that a user's text must not produce it by itself
 * @param matching where it is found
 */
record AddedToken(String content, int id, boolean special, Matching matching) {

    /**
     * The options of Hugging Face tokenizers on where a token is found.
     *
     * @param singleWord whether a word character on either side prevents a match
     * @param leftStrip whether it takes the white space before it
     * @param rightStrip whether it takes the white space after it
     * @param normalized whether it is looked for after the tokens that are not (Hugging Face tokenizers look for those
     *     in the text as it came, and for these in what a normalizer made of the rest)
     */
    record Matching(boolean singleWord, boolean leftStrip, boolean rightStrip, boolean normalized) {

        /** A match of the text alone, in the text as it came. */
        static final Matching EXACT = new Matching(false, false, false, false);

        /** A match of the text alone, in normalized text. */
        static final Matching NORMALIZED = new Matching(false, false, false, true);
    }

    /** The same token as a special one. */
    AddedToken asSpecial() {
        return special ? this : new AddedToken(content, id, true, matching);
    }
}
