package dev.isthmus.engine.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.BitSet;
import java.util.Optional;
import java.util.stream.IntStream;

/** The tables that byte pair encoding works on. Immutable. */
final class BytePairModel {

    /** In place of a token's id: there is none. */
    static final int NONE = -1;

    private final MergeTable merges;
    private final int[] tokenOfByte = new int[256];
    private final int[][] fallbackOfByte = new int[256][];
    private final int unknownToken;
    private final BytePairRules rules;
    /** Where whole pieces are looked up; null where they are not. */
    private final Vocabulary wholePieces;

    /**
     * Makes one that does what GPT-2's does, but for bytes without a token.
     *
     * @param vocabulary where the tokens of the 256 bytes are looked up; not all need to be there
     * @param merges the merges
     * @param unknownToken the token for a byte that has none, or -1 to refuse such a byte
     * @param fusesUnknown whether neighbouring bytes without a token share one unknown token
     */
    BytePairModel(Vocabulary vocabulary, MergeTable merges, int unknownToken, boolean fusesUnknown) {
        this(vocabulary, merges, unknownToken, new BytePairRules(null, fusesUnknown, false, false));
    }

    /**
     * Makes one.
     *
     * @param vocabulary the model's own tokens, and no added ones yet
     * @param merges the merges
     * @param rules the rest; its unknown token may be missing from the vocabulary, since it may never be needed
     */
    BytePairModel(Vocabulary vocabulary, MergeTable merges, BytePairRules rules) {
        this(vocabulary, merges, rules.unknownToken() == null ? NONE : vocabulary.id(rules.unknownToken()), rules);
    }

    private BytePairModel(Vocabulary vocabulary, MergeTable merges, int unknownToken, BytePairRules rules) {
        this.merges = merges;
        this.unknownToken = unknownToken;
        this.rules = rules;
        this.wholePieces = rules.ignoresMerges() ? vocabulary : null;
        for (int b = 0; b < 256; b++) {
            String character = String.valueOf(ByteAlphabet.character(b));
            tokenOfByte[b] = vocabulary.id(character);
            if (tokenOfByte[b] < 0 && rules.fallsBack()) {
                fallbackOfByte[b] = fallback(vocabulary, character.getBytes(StandardCharsets.UTF_8));
            }
        }
    }

    /** The tokens of bytes; null if one is missing. */
    private static int[] fallback(Vocabulary vocabulary, byte[] utf8) {
        int[] ids = new int[utf8.length];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = vocabulary.id(String.format("<0x%02X>", utf8[i] & 0xFF));
            if (ids[i] < 0) {
                return null;
            }
        }
        return ids;
    }

    /** The token of a byte, or {@link #NONE}. */
    int tokenOfByte(int value) {
        return tokenOfByte[value];
    }

    /** The tokens in place of that of a byte that has none; null if there are none either. */
    int[] fallbackOfByte(int value) {
        return fallbackOfByte[value];
    }

    /** The token for a byte that has no other, or {@link #NONE}. */
    int unknownToken() {
        return unknownToken;
    }

    /** The text of the unknown token, which the vocabulary may lack; null where the model has none. */
    String unknownText() {
        return rules.unknownToken();
    }

    boolean fusesUnknown() {
        return rules.fusesUnknown();
    }

    /** Whether a piece that is a token is taken whole. */
    boolean takesWholePieces() {
        return wholePieces != null;
    }

    /** The token of a whole piece, or {@link #NONE}. */
    int tokenOfPiece(String piece) {
        int id = wholePieces.id(ByteAlphabet.write(piece));
        return id >= 0 && wholePieces.isModelToken(id) ? id : NONE;
    }

    /** How many tokens a byte has at most before anything merges. */
    int mostTokensOfByte() {
        return rules.fallsBack() ? 2 : 1;
    }

    /** The tokens that text can become: those of the bytes, and those that merges make. */
    BitSet made() {
        BitSet made = merges.made();
        IntStream.of(tokenOfByte).filter(id -> id >= 0).forEach(made::set);
        return made;
    }

    /** The option by which this encodes otherwise than GPT-2. */
    Optional<String> unlikeGpt2() {
        if (takesWholePieces()) {
            return Optional.of("ignore_merges");
        }
        boolean complete = IntStream.of(tokenOfByte).allMatch(id -> id >= 0);
        return complete || !rules.fallsBack() && unknownToken < 0 ? Optional.empty()
                : Optional.of("other tokens for bytes that its vocabulary lacks");
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
