package dev.isthmus.engine.tokenizer;

import dev.isthmus.engine.files.JsonFile;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Tokens by id and ids by token. A token's text is what the vocabulary file writes: for most of them bytes in
 * {@link ByteAlphabet}. All texts lie end to end as UTF-8 in one array with an open-addressing table over it, so that
 * 50,000 tokens are read without an object for each. Filled while files are read, then only read.
 */
final class Vocabulary {

    /** The most ids: over ten times the largest vocabulary known, and small enough for tables by id. */
    static final int MAX_IDS = 1 << 22;

    /** Of the hash; drawn anew by each process: with a known one a file could give all its tokens the same hash. */
    private static final int MULTIPLIER = ThreadLocalRandom.current().nextInt() | 1;

    private byte[] texts;
    private int[] ends;
    private int[] ids;
    private int[] table;
    private int[] entryOfId;
    private int entries;
    private int modelEntries;
    private int limit;
    /** Of tokens whose text says it otherwise than in the byte alphabet. */
    private final Map<Integer, byte[]> bytesOfId = new HashMap<>();

    /** Makes an empty one, with room for about so many tokens before it grows. */
    Vocabulary(int expected) {
        int capacity = Math.max(expected, 64);
        texts = new byte[8 * capacity];
        ends = new int[capacity];
        ids = new int[capacity];
        table = new int[4 * Integer.highestOneBit(capacity)];
        entryOfId = new int[capacity];
    }

    /** What {@link #add} found. */
    enum Added { NEW, SAME_TEXT, SAME_ID }

    /**
     * A value of a JSON file as a token id.
     *
     * @param json where the value was read just now
     * @param value the value
     * @param text the token's text, for the message
     * @throws dev.isthmus.engine.errors.CheckpointException if it is none
     */
    static int id(JsonFile json, Object value, String text) {
        if (value instanceof Integer id && id >= 0 && id < MAX_IDS) {
            return id;
        }
        throw json.malformed("the id of token " + JsonFile.quoted(text) + " must be a whole number from 0 to "
                + (MAX_IDS - 1) + ", found " + JsonFile.quoted(String.valueOf(value)));
    }

    /**
     * Adds a token, unless its text or id is taken.
     *
     * @param text the token's text, without unpaired surrogates
     * @param id its id, in [0, {@link #MAX_IDS})
     */
    Added add(String text, int id) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        int slot = slot(hash(0, utf8, 0, utf8.length), utf8, 0, utf8.length, 0, 0);
        if (table[slot] != 0) {
            return Added.SAME_TEXT;
        }
        if (entryOfId(id) != 0) {
            return Added.SAME_ID;
        }
        if (entries == ends.length) {
            ends = Arrays.copyOf(ends, entries * 2);
            ids = Arrays.copyOf(ids, entries * 2);
        }
        int start = start(entries);
        int end = Math.addExact(start, utf8.length);
        if (end > texts.length) {
            texts = Arrays.copyOf(texts, Math.max(2 * texts.length, end));
        }
        System.arraycopy(utf8, 0, texts, start, utf8.length);
        ends[entries] = end;
        ids[entries++] = id;
        table[slot] = entries;
        if (id >= entryOfId.length) {
            entryOfId = Arrays.copyOf(entryOfId, Math.max(id + 1, 2 * entryOfId.length));
        }
        entryOfId[id] = entries;
        limit = Math.max(limit, id + 1);
        if (entries * 2 > table.length) {
            growTable();
        }
        return Added.NEW;
    }

    /** Marks the end of the model's own tokens: those added from now on stand for their text itself. */
    void endOfModelTokens() {
        modelEntries = entries;
    }

    /** Whether an id that has a token was added before the end of the model's own. */
    boolean isModelToken(int id) {
        return entryOfId(id) - 1 < modelEntries;
    }

    /** How many tokens were added before the end of the model's own. */
    int modelSize() {
        return modelEntries;
    }

    /** Sets the bytes of text that a token stands for, whatever its own text. */
    void setBytes(int id, byte[] bytes) {
        bytesOfId.put(id, bytes);
    }

    /** Takes away all tokens. */
    void clear() {
        Arrays.fill(table, 0);
        Arrays.fill(entryOfId, 0);
        entries = 0;
        modelEntries = 0;
        limit = 0;
        bytesOfId.clear();
    }

    /** How many tokens there are. */
    int size() {
        return entries;
    }

    /** One more than the largest id. */
    int limit() {
        return limit;
    }

    /** Whether an id in [0, {@link #limit()}) has a token. */
    boolean contains(int id) {
        return entryOfId(id) != 0;
    }

    /** The id of a token by its text, or -1. */
    int id(String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        return id(hash(0, utf8, 0, utf8.length), utf8, 0, utf8.length, 0, 0);
    }

    /**
     * The id of the token whose text is {@code source[aFrom, aTo)} followed by {@code source[bFrom, bTo)}, or -1.
     *
     * @param hash the {@link #hash} of both
     */
    int id(int hash, byte[] source, int aFrom, int aTo, int bFrom, int bTo) {
        int entry = table[slot(hash, source, aFrom, aTo, bFrom, bTo)];
        return entry == 0 ? -1 : ids[entry - 1];
    }

    /** Continues a text's hash (0 at its start) with more of its bytes. */
    static int hash(int hash, byte[] source, int from, int to) {
        int result = hash;
        for (int i = from; i < to; i++) {
            result = result * MULTIPLIER + source[i];
        }
        return result;
    }

    /** The text of an id that has a token. */
    String text(int id) {
        int entry = entryOfId(id) - 1;
        return new String(texts, start(entry), ends[entry] - start(entry), StandardCharsets.UTF_8);
    }

    /**
     * The bytes of text that an id stands for: the text's characters through {@link ByteAlphabet}, or its UTF-8 where
     * one is not of that alphabet or the token is not the model's own; or what {@link #setBytes} set.
     *
     * @param id an id that has a token
     */
    byte[] bytes(int id) {
        byte[] set = bytesOfId.get(id);
        return set != null ? set : writtenBytes(id);
    }

    private byte[] writtenBytes(int id) {
        int entry = entryOfId(id) - 1;
        byte[] utf8 = Arrays.copyOfRange(texts, start(entry), ends[entry]);
        if (entry >= modelEntries) {
            return utf8;
        }
        byte[] bytes = new byte[utf8.length];
        int count = 0;
        for (int i = 0; i < utf8.length; i++) {
            // The alphabet ends at U+0143: one byte, or two of which the first is 0xC2 to 0xC5.
            int character = utf8[i];
            if (character < 0) {
                int lead = utf8[i] & 0xFF;
                if (lead > 0xC5) {
                    return utf8;
                }
                character = (lead & 0x1F) << 6 | utf8[++i] & 0x3F;
            }
            int value = ByteAlphabet.value(character);
            if (value < 0) {
                return utf8;
            }
            bytes[count++] = (byte) value;
        }
        return Arrays.copyOf(bytes, count);
    }

    private int start(int entry) {
        return entry == 0 ? 0 : ends[entry - 1];
    }

    private int entryOfId(int id) {
        return id < entryOfId.length ? entryOfId[id] : 0;
    }

    /** The slot that holds the text, or the free one where it belongs. */
    private int slot(int hash, byte[] source, int aFrom, int aTo, int bFrom, int bTo) {
        int mask = table.length - 1;
        int aLength = aTo - aFrom;
        int length = aLength + bTo - bFrom;
        int slot = spread(hash) & mask;
        while (table[slot] != 0) {
            int entry = table[slot] - 1;
            int start = start(entry);
            int middle = start + aLength;
            if (ends[entry] - start == length && Arrays.equals(texts, start, middle, source, aFrom, aTo)
                    && Arrays.equals(texts, middle, ends[entry], source, bFrom, bTo)) {
                return slot;
            }
            slot = slot + 1 & mask;
        }
        return slot;
    }

    private static int spread(int hash) {
        int mixed = (hash ^ hash >>> 15) * 0x2C1B3C6D;
        return mixed ^ mixed >>> 13;
    }

    private void growTable() {
        table = new int[table.length * 2];
        for (int entry = 0; entry < entries; entry++) {
            int slot = spread(hash(0, texts, start(entry), ends[entry])) & table.length - 1;
            while (table[slot] != 0) {
                slot = slot + 1 & table.length - 1;
            }
            table[slot] = entry + 1;
        }
    }
}
