package dev.isthmus.engine.session;

import java.util.Arrays;

/**
 * The tokens of a text, which grows at its end. A token that others may read is never overwritten in place: forks share
 * the array until one of them writes, and so do those whom {@link #view} was given. Not safe for use by several threads
 * at once.
 */
public final class TokenBuffer {

    private static final int[] EMPTY = {};
    private static final int MIN_CAPACITY = 16;

    private int[] tokens;
    private int length;
    /** Whether others may read what lies in the array after the last token. */
    private boolean shared;

    private TokenBuffer(int[] tokens, int length, boolean shared) {
        this.tokens = tokens;
        this.length = length;
        this.shared = shared;
    }

    /** A text without tokens. */
    TokenBuffer() {
        this(EMPTY, 0, false);
    }

    /** A text of tokens in an array that is the buffer's from now on. */
    public static TokenBuffer of(int[] tokens) {
        return new TokenBuffer(tokens, tokens.length, false);
    }

    /** A text that does not change any more once others know it: the first tokens of an array whose rest may change. */
    public static final class View {

        private int[] tokens = EMPTY;
        private int length;

        /** The number of its tokens. */
        public int length() {
            return length;
        }

        /** A copy of them. */
        public int[] ids() {
            return Arrays.copyOf(tokens, length);
        }
    }

    /** The text as it is now, which any thread may read later. */
    public View view() {
        View view = new View();
        describe(view);
        return view;
    }

    /** Makes {@code view} the text of now; it has not been handed to other threads yet. Allocates nothing. */
    void describe(View view) {
        view.tokens = tokens;
        view.length = length;
    }

    /** The same text once more. */
    TokenBuffer fork() {
        shared = true;
        return new TokenBuffer(tokens, length, true);
    }

    /** The text without the {@code count} tokens from {@code from} on. */
    TokenBuffer without(int from, int count) {
        int[] left = Arrays.copyOf(tokens, tokens.length);
        System.arraycopy(tokens, from + count, left, from, length - count - from);
        return new TokenBuffer(left, length - count, false);
    }

    /** The number of tokens. */
    public int length() {
        return length;
    }

    /** An array that begins with the tokens; not to be written, and valid until the next change. */
    public int[] array() {
        return tokens;
    }

    /** Adds a token. */
    public void add(int id) {
        reserve(1);
        tokens[length++] = id;
    }

    /** Adds tokens: all, or none where there is no memory for them. */
    void addAll(int[] ids) {
        reserve(ids.length);
        System.arraycopy(ids, 0, tokens, length, ids.length);
        length += ids.length;
    }

    /** Forgets all but the first {@code newLength} tokens. */
    void truncate(int newLength) {
        // Whoever reads the text of before must not see what comes in place of the tokens that go.
        shared |= newLength < length;
        length = newLength;
    }

    /** Forgets all tokens and frees their memory; allocates nothing. */
    void clear() {
        tokens = EMPTY;
        length = 0;
    }

    private void reserve(int count) {
        int needed = length + count;
        if (shared || needed > tokens.length) {
            int capacity = needed <= tokens.length ? tokens.length
                    : Math.max(Math.max(MIN_CAPACITY, 2 * length), needed);
            tokens = Arrays.copyOf(tokens, capacity);
            shared = false;
        }
    }
}
