package dev.isthmus.engine.tokenizer;

/** The tables that byte pair encoding works on. Immutable. */
final class BytePairModel {

    private final MergeTable merges;
    private final int[] tokenOfByte = new int[256];
    private final int unknownToken;
    private final boolean fusesUnknown;

    /**
     * Makes one.
     *
     * @param vocabulary where the tokens of the 256 bytes are looked up; not all need to be there
     * @param merges the merges
     * @param unknownToken the token for a byte that has none, or -1 to refuse such a byte
     * @param fusesUnknown whether neighbouring bytes without a token share one unknown token
     */
    BytePairModel(Vocabulary vocabulary, MergeTable merges, int unknownToken, boolean fusesUnknown) {
        this.merges = merges;
        this.unknownToken = unknownToken;
        this.fusesUnknown = fusesUnknown;
        for (int b = 0; b < 256; b++) {
            tokenOfByte[b] = vocabulary.id(String.valueOf(ByteAlphabet.character(b)));
        }
    }

    int tokenOfByte(int value) {
        return tokenOfByte[value];
    }

    int unknownToken() {
        return unknownToken;
    }

    boolean fusesUnknown() {
        return fusesUnknown;
    }

    /** As {@link MergeTable#get}. */
    long merge(int left, int right) {
        return merges.get(left, right);
    }

    /** As {@link MergeTable#inOrder}. */
    long[] mergesInOrder() {
        return merges.inOrder();
    }
}
