package dev.isthmus.engine.tokenizer;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.weights.GgufHeader;
import dev.isthmus.engine.weights.GgufValue;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/** Puts a tokenizer together from a GGUF file's metadata, {@code tokenizer.ggml.*}. */
final class GgufTokenizer {

    private static final String MODEL = "tokenizer.ggml.model";
    private static final String SPLITTING = "tokenizer.ggml.pre";
    private static final String TOKENS = "tokenizer.ggml.tokens";
    private static final String TYPES = "tokenizer.ggml.token_type";
    private static final String MERGES = "tokenizer.ggml.merges";

    // Of llama.cpp's enum llama_token_type.
    private static final int CONTROL = 3;
    private static final int USER_DEFINED = 4;

    private final Path file;
    private final Map<String, GgufValue> metadata;

    private GgufTokenizer(Path file) {
        this.file = file;
        this.metadata = GgufHeader.read(file).metadata();
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
        Vocabulary vocabulary = new Vocabulary(tokens.count());
        tokens.forEach(utf8 -> addToken(vocabulary, text(utf8, TOKENS)));
        vocabulary.endOfModelTokens();
        MergeReader merges = new MergeReader(file, vocabulary);
        strings(MERGES).forEach(utf8 -> addMerge(merges, text(utf8, MERGES)));
        AddedTokenCollector added = new AddedTokenCollector(vocabulary);
        addSpecial(vocabulary, added);
        return new Tokenizer(vocabulary, new BytePairModel(vocabulary, merges.table(), -1, false), added.finish());
    }

    private void addToken(Vocabulary vocabulary, String text) {
        int id = vocabulary.limit();
        if (vocabulary.add(text, id) != Vocabulary.Added.NEW) {
            throw malformed("token " + id + ", " + JsonFile.quoted(text) + ", is also token " + vocabulary.id(text));
        }
    }

    private void addMerge(MergeReader merges, String text) {
        int space = text.indexOf(' ');
        if (space < 0 || text.indexOf(' ', space + 1) >= 0) {
            throw malformed("a merge must be two tokens separated by one space, found " + JsonFile.quoted(text));
        }
        merges.add(text.substring(0, space), text.substring(space + 1));
    }

    private void addSpecial(Vocabulary vocabulary, AddedTokenCollector added) {
        switch (metadata.get(TYPES)) {
            case null -> { }
            case GgufValue.Wholes types when types.count() == vocabulary.limit() -> {
                for (int id = 0; id < types.count(); id++) {
                    int type = types.get(id);
                    if (type == CONTROL || type == USER_DEFINED) {
                        String text = vocabulary.text(id);
                        if (text.isEmpty()) {
                            throw malformed("token " + id + " is added and empty");
                        }
                        added.add(new AddedToken(text, id, type == CONTROL, false));
                    }
                }
            }
            case GgufValue other -> throw malformed("expected a 32-bit integer for each of the " + vocabulary.limit()
                    + " tokens in " + TYPES);
        }
    }

    private GgufValue.Texts strings(String key) {
        if (metadata.get(key) instanceof GgufValue.Texts texts) {
            return texts;
        }
        throw malformed("expected an array of strings, " + key + ", found none");
    }

    private void require(String key, String wanted) {
        if (!(metadata.get(key) instanceof GgufValue.Text(String found) && found.equals(wanted))) {
            throw malformed(key + " must be \"" + wanted + "\" as in GPT-2's tokenizer, found "
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
