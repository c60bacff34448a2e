package dev.isthmus.engine.tokenizer;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.files.JsonFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;

/** Turns merges as files list them, by the texts of their tokens, into a table by id. */
final class MergeReader {

    private static final byte[] VERSION = "#version".getBytes(StandardCharsets.US_ASCII);

    private final Path file;
    private final Vocabulary vocabulary;
    private final MergeTable table;

    /**
     * Starts without merges.
     *
     * @param file where they come from, for messages
     * @param vocabulary all of the model's own tokens
     */
    MergeReader(Path file, Vocabulary vocabulary) {
        this.file = file;
        this.vocabulary = vocabulary;
        this.table = new MergeTable(vocabulary.size());
    }

    /** The merges so far. */
    MergeTable table() {
        return table;
    }

    /**
     * Adds those of a {@code merges.txt}: a merge a line, its two tokens separated by one space. Lines that begin with
     * {@code #version} are comments; others are not, since {@code #} is a token.
     *
     * @throws CheckpointException if a line is not so, or as {@link #add}
     */
    void addLines(byte[] content) {
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
                add(content, start, space, space + 1, textEnd, line);
            }
            start = end + 1;
        }
    }

    private static boolean isVersion(byte[] content, int start, int end) {
        return end - start >= VERSION.length && content[start] == '#'
                && Arrays.equals(content, start, start + VERSION.length, VERSION, 0, VERSION.length);
    }

    /**
     * Adds a merge, of a lower rank than those after it.
     *
     * @throws CheckpointException if the vocabulary lacks one of the tokens or the one that they make
     */
    void add(String left, String right) {
        byte[] utf8 = (left + right).getBytes(StandardCharsets.UTF_8);
        int middle = utf8.length - right.getBytes(StandardCharsets.UTF_8).length;
        add(utf8, 0, middle, middle, utf8.length, 0);
    }

    private void add(byte[] source, int leftFrom, int leftTo, int rightFrom, int rightTo, int line) {
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
                    (line == 0 ? "merge " + table.size() + " of the model" : "line " + line) + " ("
                    + JsonFile.quoted(leftText) + " " + JsonFile.quoted(rightText) + ") needs the token "
                    + JsonFile.quoted(unknown) + ", which is not in the vocabulary; take vocabulary and merges "
                    + "from the same model");
        }
        table.add(left, right, merged);
    }
}
