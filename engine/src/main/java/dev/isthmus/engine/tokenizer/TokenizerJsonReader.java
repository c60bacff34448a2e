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
 * Reads a {@code tokenizer.json} of Hugging Face tokenizers, as far as it describes GPT-2's tokenizer: a BPE model
 * behind the ByteLevel pre-tokenizer. What would tokenize in another way is refused by name. {@code truncation} and
 * {@code padding} are not looked at: they belong to batches, not to the encoding of a text.
 */
final class TokenizerJsonReader {

    private final Path file;
    private final Vocabulary vocabulary;
    private final AddedTokenCollector added;
    private final Set<String> seen = new HashSet<>();
    private MergeReader merges;
    /** Left and right tokens of merges that come before the vocabulary. */
    private final List<String> early = new ArrayList<>();
    private List<?> addedTokens = List.of();
    private String unknownToken;
    private boolean fusesUnknown;

    TokenizerJsonReader(Path file, Vocabulary vocabulary, AddedTokenCollector added) {
        this.file = file;
        this.vocabulary = vocabulary;
        this.added = added;
    }

    /** Reads the file into the vocabulary and the added tokens; returns the tables for encoding. */
    BytePairModel read() {
        try (JsonFile json = new JsonFile(file)) {
            json.nextObject("the tokenizer");
            for (String name = json.nextName(); name != null; name = json.nextName()) {
                readPart(json, name);
            }
            json.end();
            for (String part : List.of("model", "model: vocab", "model: merges", "pre_tokenizer", "decoder")) {
                if (!seen.contains(part)) {
                    throw refused(part + " is missing; a GPT-2 tokenizer needs it");
                }
            }
            int unknown = unknownToken == null ? -1 : vocabulary.id(unknownToken);
            if (unknownToken != null && unknown < 0) {
                throw refused("unk_token " + JsonFile.quoted(unknownToken) + " is not in the vocabulary");
            }
            BytePairModel model = new BytePairModel(vocabulary, merges.table(), unknown, fusesUnknown);
            for (Object token : addedTokens) {
                Object id = token instanceof Map<?, ?> fields ? fields.get("id") : null;
                added.add(json, token, json.id(id, String.valueOf(token)));
            }
            return model;
        }
    }

    private void readPart(JsonFile json, String name) {
        once(json, name);
        switch (name) {
            case "version" -> {
                Object version = json.nextValue();
                if (!"1.0".equals(version)) {
                    throw json.malformed("version must be \"1.0\", found " + AddedTokenCollector.describe(version));
                }
            }
            case "added_tokens" -> {
                if (!(json.nextValue() instanceof List<?> list)) {
                    throw json.malformed("added_tokens must be a list");
                }
                addedTokens = list;
            }
            case "normalizer" -> {
                Object normalizer = json.nextValue();
                if (normalizer != null) {
                    throw refused("the normalizer " + type(normalizer) + " is not supported; GPT-2 has none");
                }
            }
            case "pre_tokenizer" -> checkPreTokenizer(json.nextValue());
            case "post_processor" -> checkPostProcessor(json.nextValue());
            case "decoder" -> {
                Object decoder = json.nextValue();
                if (!type(decoder).equals("ByteLevel")) {
                    throw refused("the decoder " + type(decoder) + " is not supported; GPT-2's is ByteLevel");
                }
            }
            case "model" -> {
                json.nextObject("the model");
                for (String field = json.nextName(); field != null; field = json.nextName()) {
                    readModelField(json, field);
                }
            }
            default -> json.skipNext();
        }
    }

    private void checkPreTokenizer(Object value) {
        if (!type(value).equals("ByteLevel")) {
            throw refused("the pre_tokenizer " + type(value) + " is not supported; GPT-2's is ByteLevel");
        }
        Map<?, ?> fields = (Map<?, ?>) value;
        require("pre_tokenizer: add_prefix_space", fields.get("add_prefix_space"), false);
        if (fields.containsKey("use_regex")) {
            require("pre_tokenizer: use_regex", fields.get("use_regex"), true);
        }
    }

    /** ByteLevel only moves offsets, and so does a template without special tokens; others add or remove ids. */
    private void checkPostProcessor(Object value) {
        boolean template = type(value).equals("TemplateProcessing");
        boolean plain = template && ((Map<?, ?>) value).get("single") instanceof List<?> single
                && single.stream().allMatch(each -> each instanceof Map<?, ?> item && item.containsKey("Sequence"));
        if (value != null && !type(value).equals("ByteLevel") && !plain) {
            throw refused("the post_processor " + type(value) + (template ? " with special tokens" : "")
                    + " is not supported; GPT-2's is ByteLevel");
        }
    }

    private void readModelField(JsonFile json, String field) {
        once(json, "model: " + field);
        switch (field) {
            case "type" -> {
                Object type = json.nextValue();
                if (!"BPE".equals(type)) {
                    throw refused("the model type " + AddedTokenCollector.describe(type)
                            + " is not supported; GPT-2's is BPE");
                }
            }
            case "vocab" -> {
                json.nextObject("the model's vocab");
                TokenizerFiles.readVocabulary(json, vocabulary);
                vocabulary.endOfModelTokens();
                merges = new MergeReader(file, vocabulary);
                for (int i = 0; i < early.size(); i += 2) {
                    merges.add(early.get(i), early.get(i + 1));
                }
            }
            case "merges" -> readMerges(json);
            case "unk_token" -> {
                Object token = json.nextValue();
                if (token != null && !(token instanceof String)) {
                    throw json.malformed("unk_token must be a string, found " + AddedTokenCollector.describe(token));
                }
                unknownToken = (String) token;
            }
            case "fuse_unk" -> fusesUnknown = Boolean.TRUE.equals(json.nextValue());
            case "dropout" -> {
                Object dropout = json.nextValue();
                if (dropout != null && !(dropout instanceof Number number && number.doubleValue() == 0)) {
                    throw refused("model: dropout must be null, found " + AddedTokenCollector.describe(dropout));
                }
            }
            case "continuing_subword_prefix", "end_of_word_suffix" -> {
                Object text = json.nextValue();
                if (text != null && !text.equals("")) {
                    throw refused("model: " + field + " must be null or empty, found "
                            + AddedTokenCollector.describe(text));
                }
            }
            case "byte_fallback", "ignore_merges" -> require("model: " + field, json.nextValue(), false);
            default -> json.skipNext();
        }
    }

    private void readMerges(JsonFile json) {
        if (json.next() != JsonToken.START_ARRAY) {
            throw json.malformed("the model's merges must be a list");
        }
        for (JsonToken token = json.next(); token != JsonToken.END_ARRAY; token = json.next()) {
            if (token == JsonToken.VALUE_STRING) {
                String text = json.text();
                int space = text.indexOf(' ');
                if (text.startsWith("#version")) {
                    continue;
                }
                if (space < 0 || text.indexOf(' ', space + 1) >= 0) {
                    throw json.malformed("a merge must be two tokens separated by one space, found "
                            + JsonFile.quoted(text));
                }
                addMerge(text.substring(0, space), text.substring(space + 1));
            } else if (json.value(token) instanceof List<?> pair && pair.size() == 2
                    && pair.get(0) instanceof String left && pair.get(1) instanceof String right) {
                addMerge(left, right);
            } else {
                throw json.malformed("a merge must be a string or a pair of strings");
            }
        }
    }

    private void addMerge(String left, String right) {
        if (merges == null) {
            early.add(left);
            early.add(right);
        } else {
            merges.add(left, right);
        }
    }

    private void once(JsonFile json, String name) {
        if (!seen.add(name)) {
            throw json.malformed("\"" + name + "\" appears twice");
        }
    }

    private void require(String what, Object found, boolean wanted) {
        if (!(found instanceof Boolean value) || value != wanted) {
            throw refused(what + " must be " + wanted + " as in GPT-2's tokenizer, found " + found);
        }
    }

    private static String type(Object component) {
        return component instanceof Map<?, ?> fields ? String.valueOf(fields.get("type")) : String.valueOf(component);
    }

    private CheckpointException refused(String detail) {
        return new CheckpointException(Reason.MALFORMED, file, detail);
    }
}
