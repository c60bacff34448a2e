package dev.isthmus.engine.tokenizer;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.files.JsonFile;
import dev.isthmus.engine.weights.gguf.GgufHeader;
import dev.isthmus.engine.weights.gguf.GgufValue;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Puts a tokenizer together from a GGUF file's metadata, {@code tokenizer.ggml.*}. */
final class GgufTokenizer {

    private static final String MODEL = "tokenizer.ggml.model";
    private static final String SPLITTING = "tokenizer.ggml.pre";
    private static final String TOKENS = "tokenizer.ggml.tokens";
    private static final String TYPES = "tokenizer.ggml.token_type";
    private static final String MERGES = "tokenizer.ggml.merges";

    // Of llama.cpp's enum llama_token_type.
    private static final int NORMAL = 1;
    private static final int UNKNOWN = 2;
    private static final int CONTROL = 3;
    private static final int USER_DEFINED = 4;
    private static final int UNUSED = 5;
    private static final int BYTE = 6;

    private static final Pattern BYTE_TEXT = Pattern.compile("<0x([0-9A-F]{2})>");

    private final Path file;
    private final GgufHeader header;
    private final Map<String, GgufValue> metadata;
    /** Tokens of the type unused that no merge needs, with their ids. */
    private final Map<String, Integer> placeholders = new HashMap<>();

    private GgufTokenizer(Path file) {
        this.file = file;
        this.header = GgufHeader.read(file);
        this.metadata = header.metadata();
    }

    /** As {@link Tokenizer#open}. */
    static Optional<Tokenizer> open(Path file) {
        GgufTokenizer reader = new GgufTokenizer(file);
        return reader.metadata.containsKey(MODEL) ? Optional.of(reader.tokenizer()) : Optional.empty();
    }

    private Tokenizer tokenizer() {
        require(MODEL, "gpt2");
        // Files from before the key came to be split as GPT-2 does.
        if (metadata.containsKey(SPLITTING)) {
            require(SPLITTING, "gpt-2");
        }
        GgufValue.Texts tokens = strings(TOKENS);
        if (tokens.count() == 0 || tokens.count() > Vocabulary.MAX_IDS) {
            throw malformed("expected 1 to " + Vocabulary.MAX_IDS + " tokens, found " + tokens.count());
        }
        Optional<GgufValue.Wholes> types = types(tokens.count());
        Vocabulary vocabulary = new Vocabulary(tokens.count());
        AddedTokenCollector added = new AddedTokenCollector(vocabulary);
        int[] next = {0};
        tokens.forEach(utf8 -> {
            int id = next[0]++;
            addToken(vocabulary, added, text(utf8, TOKENS), id, types.isPresent() ? types.get().get(id) : NORMAL);
        });
        vocabulary.endOfModelTokens();
        MergeReader merges = new MergeReader(file, vocabulary);
        strings(MERGES).forEach(utf8 -> addMerge(vocabulary, merges, text(utf8, MERGES)));
        added.surround(ids("tokenizer.ggml.add_bos_token", "tokenizer.ggml.bos_token_id", tokens.count()),
                ids("tokenizer.ggml.add_eos_token", "tokenizer.ggml.eos_token_id", tokens.count()));
        return new Tokenizer(vocabulary, new BytePairModel(vocabulary, merges.table(), BytePairRules.GPT2),
                added.finish(), Math.max(tokens.count(), rows()));
    }

    /** Empty tokens and placeholders, with which converters fill up a vocabulary, are none: as ids they are empty text. */
    private void addToken(Vocabulary vocabulary, AddedTokenCollector added, String text, int id, int type) {
        boolean isAdded = type == CONTROL || type == USER_DEFINED || type == UNKNOWN;
        if (text.isEmpty()) {
            return;
        }
        if (type == UNUSED && !isByte(text)) {
            placeholders.putIfAbsent(text, id);
            return;
        }
        if (vocabulary.add(text, id) != Vocabulary.Added.NEW) {
            throw malformed("token " + id + ", " + JsonFile.quoted(text) + ", is also token " + vocabulary.id(text));
        }
        if (isAdded) {
            added.add(new AddedToken(text, id, type != USER_DEFINED, AddedToken.Matching.EXACT));
        }
        Matcher written = type == BYTE ? BYTE_TEXT.matcher(text) : null;
        if (written != null && written.matches()) {
            vocabulary.setBytes(id, new byte[] {(byte) Integer.parseInt(written.group(1), 16)});
        }
    }

    private static boolean isByte(String text) {
        return text.length() == 1 && ByteAlphabet.value(text.charAt(0)) >= 0;
    }

    private void addMerge(Vocabulary vocabulary, MergeReader merges, String text) {
        int space = text.indexOf(' ');
        if (space < 0 || text.indexOf(' ', space + 1) >= 0) {
            throw malformed("a merge must be two tokens separated by one space, found " + JsonFile.quoted(text));
        }
        String left = text.substring(0, space);
        String right = text.substring(space + 1);
        if (!placeholders.isEmpty()) {
            for (String part : List.of(left, right, left + right)) {
                Integer id = placeholders.remove(part);
                if (id != null && vocabulary.id(part) < 0) {
                    vocabulary.add(part, id);
                    vocabulary.endOfModelTokens();
                }
            }
        }
        merges.add(left, right);
    }

    private Optional<GgufValue.Wholes> types(int tokens) {
        return switch (metadata.get(TYPES)) {
            case null -> Optional.empty();
            case GgufValue.Wholes types when types.count() == tokens -> Optional.of(types);
            case GgufValue other -> throw malformed("expected a 32-bit integer for each of the " + tokens
                    + " tokens in " + TYPES);
        };
    }

    /** The id that a key names where another asks for it. */
    private int[] ids(String asks, String key, int tokens) {
        return new GgufValue.Truth(true).equals(metadata.get(asks)) && metadata.get(key) instanceof GgufValue.Whole(long id)
                && id >= 0 && id < tokens ? new int[] {(int) id} : new int[0];
    }

    /** How many ids the embedding has rows for. */
    private int rows() {
        return header.tensors().stream()
                .filter(tensor -> tensor.name().equals("token_embd.weight") && tensor.shape().rank() == 2)
                .mapToInt(tensor -> (int) Math.min(tensor.shape().dim(0), Vocabulary.MAX_IDS)).findFirst().orElse(0);
    }

    private GgufValue.Texts strings(String key) {
        if (metadata.get(key) instanceof GgufValue.Texts texts) {
            return texts;
        }
        throw malformed("expected an array of strings, " + key + ", found none");
    }

    private void require(String key, String wanted) {
        if (!(metadata.get(key) instanceof GgufValue.Text(String found) && found.equals(wanted))) {
            throw new CheckpointException(Reason.UNSUPPORTED_TOKENIZER, file, key + " must be \"" + wanted
                    + "\" as in GPT-2's tokenizer, found "
                    + (metadata.get(key) instanceof GgufValue.Text(String found) ? JsonFile.quoted(found)
                            : "no string"));
        }
    }

    private String text(byte[] utf8, String key) {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(utf8)).toString();
        } catch (CharacterCodingException e) {
            throw malformed("expected UTF-8 in " + key + ", found other bytes");
        }
    }

    private CheckpointException malformed(String detail) {
        return new CheckpointException(Reason.MALFORMED, file, detail + "; convert the model again");
    }
}
