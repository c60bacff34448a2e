package dev.isthmus.engine.tokenizer;

import com.fasterxml.jackson.core.JsonToken;
import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.files.JsonFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
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
    private static final String NO_MERGES = "the model's merges must be a list";

    private static final Set<String> PARTS = Set.of("version", "added_tokens", "normalizer", "pre_tokenizer",
            "post_processor", "decoder");
    private static final Set<String> MODEL_FIELDS = Set.of("type", "unk_token", "fuse_unk", "byte_fallback",
            "ignore_merges", "dropout", "continuing_subword_prefix", "end_of_word_suffix");

    private final Path file;
    private final Vocabulary vocabulary;
    private final AddedTokenCollector added;
    /** All but the model; of a name that came twice the last value. */
    private final Map<String, Object> parts = new HashMap<>();
    /** The same of the model, all but vocabulary and merges. */
    private final Map<String, Object> modelFields = new HashMap<>();
    /** Of the names whose values are not kept: those that have come. */
    private final Set<String> seen = new HashSet<>();
    private boolean repeats;
    private MergeReader merges;
    /** Merges that come before the vocabulary. */
    private final List<Object> early = new ArrayList<>();

    TokenizerJsonReader(Path file, Vocabulary vocabulary, AddedTokenCollector added) {
        this.file = file;
        this.vocabulary = vocabulary;
        this.added = added;
    }

    /** Reads the file into the vocabulary and the added tokens; returns the tables for encoding. */
    BytePairModel read() {
        try (JsonFile json = new JsonFile(file)) {
            json.nextObject("the tokenizer");
            for (String name = json.nextName(); name != null && !repeats; name = json.nextName()) {
                if (name.equals(MODEL)) {
                    readModel(json);
                } else if (PARTS.contains(name)) {
                    parts.put(name, json.nextValue());
                } else {
                    json.skipNext();
                }
            }
            if (!repeats) {
                json.end();
                return finish(json);
            }
        }
        return new TokenizerJsonReader(file, vocabulary, added).readWhole();
    }

    private void readModel(JsonFile json) {
        if (isRepeated(MODEL)) {
            return;
        }
        json.nextObject("the model");
        for (String name = json.nextName(); name != null && !repeats; name = json.nextName()) {
            if (MODEL_FIELDS.contains(name)) {
                modelFields.put(name, json.nextValue());
            } else if (name.equals(VOCABULARY) && !isRepeated(name)) {
                readVocabulary(json);
            } else if (name.equals(MERGES) && !isRepeated(name)) {
                readMerges(json);
            } else if (!repeats) {
                json.skipNext();
            }
        }
    }

    private boolean isRepeated(String name) {
        repeats |= !seen.add(name);
        return repeats;
    }

    /** A vocabulary that is no object belongs to another kind of model. */
    private void readVocabulary(JsonFile json) {
        JsonToken first = json.next();
        if (first != JsonToken.START_OBJECT) {
            json.value(first);
            return;
        }
        repeats = !TokenizerFiles.readVocabulary(json, vocabulary);
        if (!repeats) {
            endVocabulary(json);
        }
    }

    private void readMerges(JsonFile json) {
        if (json.next() != JsonToken.START_ARRAY) {
            throw json.malformed(NO_MERGES);
        }
        for (JsonToken token = json.next(); token != JsonToken.END_ARRAY; token = json.next()) {
            addMerge(json, json.value(token));
        }
    }

    private BytePairModel readWhole() {
        vocabulary.clear();
        try (JsonFile json = new JsonFile(file)) {
            Map<?, ?> whole = (Map<?, ?>) json.nextValue();
            json.end();
            PARTS.stream().filter(whole::containsKey).forEach(name -> parts.put(name, whole.get(name)));
            if (!(whole.get(MODEL) instanceof Map<?, ?> model)) {
                throw json.malformed("the model must be an object");
            }
            MODEL_FIELDS.stream().filter(model::containsKey).forEach(name -> modelFields.put(name, model.get(name)));
            seen.add(MODEL);
            if (model.get(VOCABULARY) instanceof Map<?, ?> tokens) {
                TokenizerFiles.addVocabulary(json, tokens, vocabulary);
                endVocabulary(json);
            }
            if (model.get(MERGES) instanceof List<?> list) {
                seen.add(MERGES);
                list.forEach(merge -> addMerge(json, merge));
            } else if (model.containsKey(MERGES)) {
                throw json.malformed(NO_MERGES);
            }
            return finish(json);
        }
    }

    private void endVocabulary(JsonFile json) {
        vocabulary.endOfModelTokens();
        merges = new MergeReader(file, vocabulary);
        early.forEach(merge -> addMerge(json, merge));
        early.clear();
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

    private BytePairModel finish(JsonFile json) {
        checkParts();
        PipelineReader pipeline = new PipelineReader(file);
        pipeline.requireNoNormalizer(parts.get("normalizer"));
        PreTokenization splitting = pipeline.preTokenizer(parts.get("pre_tokenizer"));
        pipeline.requireByteLevelDecoder(parts.get("decoder"));
        added.setSplitting(splitting);
        added.setPostProcessor(pipeline.postProcessor(parts.get("post_processor")));
        BytePairModel model = new BytePairModel(vocabulary, merges.table(), rules());
        if (!(parts.getOrDefault("added_tokens", List.of()) instanceof List<?> addedTokens)) {
            throw malformed("added_tokens must be a list");
        }
        for (Object token : addedTokens) {
            Object id = token instanceof Map<?, ?> fields ? fields.get("id") : null;
            added.addOfTokenizer(json, token, Vocabulary.id(json, id, String.valueOf(token)));
        }
        return model;
    }

    private void checkParts() {
        if (parts.containsKey("version") && !"1.0".equals(parts.get("version"))) {
            throw malformed("version must be \"1.0\", found " + AddedTokenCollector.describe(parts.get("version")));
        }
        if (modelFields.containsKey("type") && !"BPE".equals(modelFields.get("type"))) {
            throw unsupported("the model type " + AddedTokenCollector.describe(modelFields.get("type"))
                    + " is not supported; GPT-2's is BPE");
        }
        require(seen.contains(MODEL), "model");
        require(merges != null, "model: vocab (an object)");
        require(seen.contains(MERGES), "model: merges");
        require(parts.containsKey("pre_tokenizer"), "pre_tokenizer");
        require(parts.containsKey("decoder"), "decoder");
    }

    private void require(boolean there, String part) {
        if (!there) {
            throw unsupported(part + " is missing; a GPT-2 tokenizer needs it");
        }
    }

    private BytePairRules rules() {
        Object unknown = modelFields.get("unk_token");
        if (unknown != null && !(unknown instanceof String)) {
            throw malformed("unk_token must be a string, found " + AddedTokenCollector.describe(unknown));
        }
        Object dropout = modelFields.get("dropout");
        if (dropout != null && !(dropout instanceof Number number && number.doubleValue() == 0)) {
            throw unsupported("model: dropout must be null, found " + AddedTokenCollector.describe(dropout));
        }
        for (String affix : List.of("continuing_subword_prefix", "end_of_word_suffix")) {
            Object text = modelFields.get(affix);
            if (text != null && !text.equals("")) {
                throw unsupported("model: " + affix + " must be null or empty, found "
                        + AddedTokenCollector.describe(text));
            }
        }
        return new BytePairRules((String) unknown, truth("fuse_unk"), truth("byte_fallback"), truth("ignore_merges"));
    }

    private boolean truth(String field) {
        Object value = modelFields.get(field);
        if (value == null || value instanceof Boolean) {
            return Boolean.TRUE.equals(value);
        }
        throw malformed("model: " + field + " must be true or false, found " + AddedTokenCollector.describe(value));
    }

    private CheckpointException malformed(String detail) {
        return new CheckpointException(Reason.MALFORMED, file, detail);
    }

    private CheckpointException unsupported(String detail) {
        return new CheckpointException(Reason.UNSUPPORTED_TOKENIZER, file, detail);
    }
}
