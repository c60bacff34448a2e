package dev.isthmus.engine.tokenizer;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;

/** Merges as a file lists them, by the texts of their tokens, until the vocabulary is known. */
final class MergeList {

    private static final byte[] VERSION = "#version".getBytes(StandardCharsets.US_ASCII);

    private final Path file;
    private byte[] source;
    private int sourceEnd;
    // Four indices into the source for each merge: the left token's start and end, and the right one's.
    private int[] bounds;
    private int[] lines;
    private int count;

    private MergeList(Path file, byte[] source) {
        this.file = file;
        this.source = source;
        // A merge of GPT-2's takes nine bytes of its file on average.
        bounds = new int[4 * (source.length / 8 + 16)];
    }

    /** An empty one, for the merges in a {@code tokenizer.json}, with room for about so many bytes of them. */
    static MergeList empty(Path file, int expected) {
        return new MergeList(file, new byte[expected]);
    }

    /**
     * Reads a {@code merges.txt}: a merge a line, its two tokens separated by one space. Lines that begin with
     * {@code #version} are comments; others are not, since {@code #} is a token.
     */
    static MergeList parse(Path file, byte[] content) {
        MergeList list = new MergeList(file, content);
        list.lines = new int[list.bounds.length / 4];
        int line = 0;
        int start = 0;
        while (start < content.length) {
            line++;
            int end = start;
            int space = -1;
            int spaces = 0;
            while (end < content.length && content[end] != '\n') {
                if (content[end] == ' ') {
                    space = end;
                    spaces++;
                }
                end++;
            }
            int textEnd = end > start && content[end - 1] == '\r' ? end - 1 : end;
            if (!isVersion(content, start, textEnd)) {
                if (spaces != 1) {
                    throw new CheckpointException(Reason.MALFORMED, file, "line " + line + " must be two tokens "
                            + "separated by one space, found "
                            + JsonFile.quoted(new String(content, start, textEnd - start, StandardCharsets.UTF_8)));
                }
                list.add(start, space, space + 1, textEnd, line);
            }
            start = end + 1;
        }
        return list;
    }

    private static boolean isVersion(byte[] content, int start, int end) {
        return end - start >= VERSION.length && content[start] == '#'
                && Arrays.equals(content, start, start + VERSION.length, VERSION, 0, VERSION.length);
    }

    /** Adds a merge. */
    void add(String left, String right) {
        int start = append(left);
        int middle = append(right);
        add(start, middle, middle, sourceEnd, 0);
    }

    private int append(String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        if (source.length - sourceEnd < utf8.length) {
            source = Arrays.copyOf(source, Math.max(2 * source.length, Math.addExact(sourceEnd, utf8.length)));
        }
        System.arraycopy(utf8, 0, source, sourceEnd, utf8.length);
        sourceEnd += utf8.length;
        return sourceEnd - utf8.length;
    }

    private void add(int leftFrom, int leftTo, int rightFrom, int rightTo, int line) {
        if (4 * count == bounds.length) {
            bounds = Arrays.copyOf(bounds, 8 * count);
            lines = lines == null ? null : Arrays.copyOf(lines, 2 * count);
        }
        bounds[4 * count] = leftFrom;
        bounds[4 * count + 1] = leftTo;
        bounds[4 * count + 2] = rightFrom;
        bounds[4 * count + 3] = rightTo;
        if (lines != null) {
            lines[count] = line;
        }
        count++;
    }

    /**
     * The merges by id; an earlier one has a lower rank.
     *
     * @throws CheckpointException if the vocabulary lacks a token of a merge or the token that it makes
     */
    MergeTable resolve(Vocabulary vocabulary) {
        MergeTable table = new MergeTable(count);
        for (int rank = 0; rank < count; rank++) {
            int leftFrom = bounds[4 * rank];
            int leftTo = bounds[4 * rank + 1];
            int rightFrom = bounds[4 * rank + 2];
            int rightTo = bounds[4 * rank + 3];
            int leftHash = Vocabulary.hash(0, source, leftFrom, leftTo);
            int rightHash = Vocabulary.hash(0, source, rightFrom, rightTo);
            int mergedHash = Vocabulary.hash(leftHash, source, rightFrom, rightTo);
            int left = vocabulary.id(leftHash, source, leftFrom, leftTo, 0, 0);
            int right = vocabulary.id(rightHash, source, rightFrom, rightTo, 0, 0);
            int merged = vocabulary.id(mergedHash, source, leftFrom, leftTo, rightFrom, rightTo);
            if (left < 0 || right < 0 || merged < 0) {
                String leftText = new String(source, leftFrom, leftTo - leftFrom, StandardCharsets.UTF_8);
                String rightText = new String(source, rightFrom, rightTo - rightFrom, StandardCharsets.UTF_8);
                String unknown = left < 0 ? leftText : right < 0 ? rightText : leftText + rightText;
                throw new CheckpointException(Reason.MALFORMED, file,
                        (lines == null ? "merge " + rank + " of the model" : "line " + lines[rank]) + " ("
                        + JsonFile.quoted(leftText) + " " + JsonFile.quoted(rightText) + ") needs the token "
                        + JsonFile.quoted(unknown) + ", which is not in the vocabulary; take vocabulary and merges "
                        + "from the same model");
            }
            table.put(left, right, rank, merged);
        }
        return table;
    }
}
