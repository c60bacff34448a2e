package dev.isthmus.engine.tokenizer;

import com.fasterxml.jackson.core.JsonToken;
import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Reads a {@code tokenizer.json} of Hugging Face tokenizers, as far as it describes a byte-level BPE tokenizer like
 * GPT-2's. What would tokenize in another way is refused by name. {@code truncation} and {@code padding} are not looked
 * at: they belong to batches, not to the encoding of a text. Of a name that comes twice the last value counts.
 *
 * <p>Vocabulary and merges go into their tables as they are read, without an object for each. Where a name comes twice,
 * which no tool writes, the file is read once more, as a whole.
 */
final class TokenizerJsonReader {

    private static final String MODEL = "model";
    private static final String VOCABULARY = "vocab";
    private static final String MERGES = "merges";

    private static final String NO_VOCABULARY = "the model's vocab must be an object, as that of a BPE model is";

    private final Path file;
    private final Vocabulary vocabulary;
    private final AddedTokenCollector added;
    private final PipelineReader pipeline;
    private final Set<String> seen = new HashSet<>();
    private boolean repeats;
    private MergeReader merges;
    /** Merges that come before the vocabulary. */
    private final List<Object> early = new ArrayList<>();
    private List<?> addedTokens = List.of();
    private BytePairRules rules = BytePairRules.GPT2;
    private PreTokenization splitting;
    private PostProcessor postProcessor = PostProcessor.NONE;

    TokenizerJsonReader(Path file, Vocabulary vocabulary, AddedTokenCollector added) {
        this.file = file;
        this.vocabulary = vocabulary;
        this.added = added;
        this.pipeline = new PipelineReader(file);
    }

    /** Reads the file into the vocabulary and the added tokens; returns the tables for encoding. */
    BytePairModel read() {
        try (JsonFile json = new JsonFile(file)) {
            json.nextObject("the tokenizer");
            for (String name = json.nextName(); name != null && !repeats; name = json.nextName()) {
                readPart(json, name);
            }
            if (!repeats) {
                json.end();
                return finish(json);
            }
        }
        return new TokenizerJsonReader(file, vocabulary, added).readWhole();
    }

    private BytePairModel readWhole() {
        vocabulary.clear();
        try (JsonFile json = new JsonFile(file)) {
            if (!(json.nextValue() instanceof Map<?, ?> parts)) {
                throw json.malformed("the tokenizer must be an object");
            }
            json.end();
            parts.forEach((name, value) -> {
                seen.add((String) name);
                if (name.equals(MODEL)) {
                    readWholeModel(json, value);
                } else {
                    readPart(json, (String) name, value);
                }
            });
            return finish(json);
        }
    }

    private void readWholeModel(JsonFile json, Object value) {
        if (!(value instanceof Map<?, ?> fields)) {
            throw json.malformed("the model must be an object");
        }
        fields.forEach((name, field) -> {
            seen.add(MODEL + ": " + name);
            switch ((String) name) {
                case VOCABULARY -> {
                    if (!(field instanceof Map<?, ?> tokens)) {
                        throw unsupported(NO_VOCABULARY);
                    }
                    TokenizerFiles.addVocabulary(json, tokens, vocabulary);
                    endVocabulary(json);
                }
                case MERGES -> {
                    if (!(field instanceof List<?> list)) {
                        throw json.malformed("the model's merges must be a list");
                    }
                    list.forEach(merge -> addMerge(json, merge));
                }
                default -> readModelField(json, (String) name, field);
            }
        });
    }

    private BytePairModel finish(JsonFile json) {
        for (String part : List.of(MODEL, "model: vocab", "model: merges", "pre_tokenizer", "decoder")) {
            if (!seen.contains(part)) {
                throw unsupported(part + " is missing; a GPT-2 tokenizer needs it");
            }
        }
        BytePairModel model = new BytePairModel(vocabulary, merges.table(), rules);
        added.setSplitting(splitting);
        added.setPostProcessor(postProcessor);
        for (Object token : addedTokens) {
            Object id = token instanceof Map<?, ?> fields ? fields.get("id") : null;
            added.addOfTokenizer(json, token, json.id(id, String.valueOf(token)));
        }
        return model;
    }

    private void readPart(JsonFile json, String name) {
        if (isRepeated(name)) {
            return;
        }
        if (!name.equals(MODEL)) {
            readPart(json, name, json.nextValue());
            return;
        }
        json.nextObject("the model");
        for (String field = json.nextName(); field != null && !repeats; field = json.nextName()) {
            if (isRepeated(MODEL + ": " + field)) {
                return;
            }
            switch (field) {
                case VOCABULARY -> {
                    if (json.next() != JsonToken.START_OBJECT) {
                        throw unsupported(NO_VOCABULARY);
                    }
                    repeats = !TokenizerFiles.readVocabulary(json, vocabulary);
                    if (!repeats) {
                        endVocabulary(json);
                    }
                }
                case MERGES -> readMerges(json);
                default -> readModelField(json, field, json.nextValue());
            }
        }
    }

    private boolean isRepeated(String name) {
        repeats |= !seen.add(name);
        return repeats;
    }

    private void readPart(JsonFile json, String name, Object value) {
        switch (name) {
            case "version" -> {
                if (!"1.0".equals(value)) {
                    throw json.malformed("version must be \"1.0\", found " + AddedTokenCollector.describe(value));
                }
            }
            case "added_tokens" -> {
                if (!(value instanceof List<?> list)) {
                    throw json.malformed("added_tokens must be a list");
                }
                addedTokens = list;
            }
            case "normalizer" -> pipeline.requireNoNormalizer(value);
            case "pre_tokenizer" -> splitting = pipeline.preTokenizer(value);
            case "post_processor" -> postProcessor = pipeline.postProcessor(value);
            case "decoder" -> pipeline.requireByteLevelDecoder(value);
            default -> { }
        }
    }

    private void readModelField(JsonFile json, String field, Object value) {
        switch (field) {
            case "type" -> {
                if (!"BPE".equals(value)) {
                    throw unsupported("the model type " + AddedTokenCollector.describe(value)
                            + " is not supported; GPT-2's is BPE");
                }
            }
            case "unk_token" -> {
                if (value != null && !(value instanceof String)) {
                    throw json.malformed("unk_token must be a string, found " + AddedTokenCollector.describe(value));
                }
                rules = new BytePairRules((String) value, rules.fusesUnknown(), rules.fallsBack(),
                        rules.ignoresMerges());
            }
            case "fuse_unk" -> rules = new BytePairRules(rules.unknownToken(), truth(json, field, value),
                    rules.fallsBack(), rules.ignoresMerges());
            case "byte_fallback" -> rules = new BytePairRules(rules.unknownToken(), rules.fusesUnknown(),
                    truth(json, field, value), rules.ignoresMerges());
            case "ignore_merges" -> rules = new BytePairRules(rules.unknownToken(), rules.fusesUnknown(),
                    rules.fallsBack(), truth(json, field, value));
            case "dropout" -> {
                if (value != null && !(value instanceof Number number && number.doubleValue() == 0)) {
                    throw unsupported("model: dropout must be null, found " + AddedTokenCollector.describe(value));
                }
            }
            case "continuing_subword_prefix", "end_of_word_suffix" -> {
                if (value != null && !value.equals("")) {
                    throw unsupported("model: " + field + " must be null or empty, found "
                            + AddedTokenCollector.describe(value));
                }
            }
            default -> { }
        }
    }

    private static boolean truth(JsonFile json, String field, Object value) {
        if (value instanceof Boolean truth) {
            return truth;
        }
        throw json.malformed("model: " + field + " must be true or false, found " + AddedTokenCollector.describe(value));
    }

    private void endVocabulary(JsonFile json) {
        vocabulary.endOfModelTokens();
        merges = new MergeReader(file, vocabulary);
        early.forEach(merge -> addMerge(json, merge));
        early.clear();
    }

    private void readMerges(JsonFile json) {
        if (json.next() != JsonToken.START_ARRAY) {
            throw json.malformed("the model's merges must be a list");
        }
        for (JsonToken token = json.next(); token != JsonToken.END_ARRAY; token = json.next()) {
            addMerge(json, json.value(token));
        }
    }

    private void addMerge(JsonFile json, Object merge) {
        if (merges == null) {
            early.add(merge);
        } else if (merge instanceof String text) {
            int space = text.indexOf(' ');
            if (text.startsWith("#version")) {
                return;
            }
            if (space < 0 || text.indexOf(' ', space + 1) >= 0) {
                throw json.malformed("a merge must be two tokens separated by one space, found "
                        + JsonFile.quoted(text));
            }
            merges.add(text.substring(0, space), text.substring(space + 1));
        } else if (merge instanceof List<?> pair && pair.size() == 2 && pair.get(0) instanceof String left
                && pair.get(1) instanceof String right) {
            merges.add(left, right);
        } else {
            throw json.malformed("a merge must be a string or a pair of strings");
        }
    }

    private CheckpointException unsupported(String detail) {
        return new CheckpointException(Reason.UNSUPPORTED_TOKENIZER, file, detail);
    }
}
