package dev.isthmus.engine.tokenizer;

import dev.isthmus.engine.checks.Interrupts;
import dev.isthmus.engine.collections.LongHeap;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.files.JsonFile;
import java.util.Arrays;

/**
 * Encodes one text, piece by piece: each piece's bytes become tokens, then the pair of neighbours with the lowest
 * merge rank is merged, leftmost first, until none is left. Candidates wait in a heap over linked symbols, so n bytes
 * take n log n steps whatever they are ({@code Word::merge_all} of Hugging Face tokenizers). Used for one call, by
 * one thread.
 */
final class BytePairEncoder {

    /** A millisecond or two: how long a piece is worked at without a look at the thread's interrupt. */
    private static final int STEPS_UNLOOKED = 1 << 13;

    private static final String ENCODING = "encoding a text";

    private final BytePairModel model;
    private final PreTokenization splitting;
    private int[] ids = new int[256];
    private int count;

    // The piece at hand: symbols with their neighbours' indices (-1 at either end; a merged-away symbol has token -1)
    // and the candidates (rank, index of the left symbol).
    private int[] token = new int[64];
    private int[] previous = new int[64];
    private int[] next = new int[64];
    private int symbols;
    /** Whether bytes without a token came last, whose unknown token is not among the symbols yet. */
    private boolean unknownPending;
    private final LongHeap candidates = new LongHeap(64);

    /** Makes one that splits text as GPT-2 does. */
    BytePairEncoder(BytePairModel model) {
        this(model, PreTokenization.GPT2);
    }

    BytePairEncoder(BytePairModel model, PreTokenization splitting) {
        this.model = model;
        this.splitting = splitting;
    }

    /** Appends a token as it is. */
    void append(int id) {
        if (count == ids.length) {
            ids = Arrays.copyOf(ids, count * 2);
        }
        ids[count++] = id;
    }

    /** Encodes the characters in [from, to) of a text. */
    void append(String text, int from, int to) {
        if (from < to) {
            splitting.split(text, from, to, this::appendPiece);
        }
    }

    /** All ids so far. */
    int[] ids() {
        return Arrays.copyOf(ids, count);
    }

    private void appendPiece(String text, int from, int to) {
        Interrupts.check(ENCODING);
        int whole = model.takesWholePieces() ? model.tokenOfPiece(text.substring(from, to)) : BytePairModel.NONE;
        if (whole >= 0) {
            append(whole);
            return;
        }
        reserve(model.mostTokensOfByte() * utf8Length(text, from, to));
        symbols = 0;
        addBytes(text, from, to);
        flushUnknown();
        merge();
        for (int i = 0; i < symbols; i++) {
            if (token[i] >= 0) {
                append(token[i]);
            }
        }
    }

    private void addBytes(String text, int from, int to) {
        for (int at = from; at < to; at++) {
            look(at);
            int c = text.charAt(at);
            if (c < 0x80) {
                addByte(c, text, at);
            } else if (c < 0x800) {
                addByte(0xC0 | c >> 6, text, at);
                addByte(0x80 | c & 0x3F, text, at);
            } else if (at + 1 < to && Character.isSurrogatePair((char) c, text.charAt(at + 1))) {
                int codePoint = text.codePointAt(at);
                addByte(0xF0 | codePoint >> 18, text, at);
                addByte(0x80 | codePoint >> 12 & 0x3F, text, at);
                addByte(0x80 | codePoint >> 6 & 0x3F, text, at);
                addByte(0x80 | codePoint & 0x3F, text, at++);
            } else {
                int character = Character.isSurrogate((char) c) ? 0xFFFD : c;
                addByte(0xE0 | character >> 12, text, at);
                addByte(0x80 | character >> 6 & 0x3F, text, at);
                addByte(0x80 | character & 0x3F, text, at);
            }
        }
    }

    /** Looks at the thread's interrupt, now and then. */
    private static void look(int step) {
        if (step % STEPS_UNLOOKED == 0) {
            Interrupts.check(ENCODING);
        }
    }

    private void reserve(int wanted) {
        if (wanted > token.length) {
            int size = Math.max(wanted, 2 * token.length);
            token = new int[size];
            previous = new int[size];
            next = new int[size];
        }
    }

    /** At least the number of bytes of the characters in UTF-8. */
    private static int utf8Length(String text, int from, int to) {
        int length = to - from;
        for (int at = from; at < to; at++) {
            char c = text.charAt(at);
            length += c < 0x80 ? 0 : c < 0x800 ? 1 : 2;
        }
        return length;
    }

    private void addByte(int value, String text, int at) {
        int id = model.tokenOfByte(value);
        if (id >= 0) {
            flushUnknown();
            token[symbols++] = id;
            return;
        }
        int[] fallback = model.fallbackOfByte(value);
        if (fallback != null) {
            for (int each : fallback) {
                token[symbols++] = each;
            }
            return;
        }
        if (model.unknownToken() < 0) {
            throw new InvalidInputException(String.format("encoding a text: the vocabulary has no token for byte "
                    + "0x%02X of character U+%04X at index %d%s; use a tokenizer whose vocabulary has all 256 bytes",
                    value, text.codePointAt(at), at, model.unknownText() == null ? ""
                            : ", nor its unk_token " + JsonFile.quoted(model.unknownText())));
        }
        if (!model.fusesUnknown()) {
            flushUnknown();
        }
        unknownPending = true;
    }

    private void flushUnknown() {
        if (unknownPending) {
            token[symbols++] = model.unknownToken();
            unknownPending = false;
        }
    }

    private void merge() {
        candidates.clear();
        for (int i = 0; i < symbols; i++) {
            previous[i] = i - 1;
            next[i] = i + 1 < symbols ? i + 1 : -1;
        }
        for (int i = 0; i + 1 < symbols; i++) {
            look(i);
            offer(i, i + 1);
        }
        for (int steps = 1; candidates.size() > 0; steps++) {
            look(steps);
            long top = candidates.takeLeast();
            int left = (int) top;
            int right = token[left] < 0 ? -1 : next[left];
            if (right < 0) {
                continue;
            }
            long merge = model.merge(token[left], token[right]);
            // A candidate is out of date when its symbols have merged with others since it was offered.
            if (merge == MergeTable.NONE || merge >>> 32 != top >>> 32) {
                continue;
            }
            token[left] = (int) merge;
            token[right] = -1;
            next[left] = next[right];
            if (next[left] >= 0) {
                previous[next[left]] = left;
                offer(left, next[left]);
            }
            if (previous[left] >= 0) {
                offer(previous[left], left);
            }
        }
    }

    private void offer(int left, int right) {
        long merge = model.merge(token[left], token[right]);
        if (merge != MergeTable.NONE) {
            candidates.add(merge & 0xFFFFFFFF_00000000L | left);
        }
    }
}
