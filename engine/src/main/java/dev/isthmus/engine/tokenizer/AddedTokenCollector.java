package dev.isthmus.engine.tokenizer;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Collects the added tokens that a model's files name: {@code added_tokens} of tokenizer.json, added_tokens.json,
 * {@code added_tokens_decoder} and the special tokens of tokenizer_config.json, and special_tokens_map.json.
 */
final class AddedTokenCollector {

    /** GPT-2's end of text: transformers makes it special even where no file names it. */
    private static final String END_OF_TEXT = "<|endoftext|>";

    private static final List<String> ROLES = List.of("bos_token", "eos_token", "unk_token", "pad_token", "sep_token",
            "cls_token", "mask_token", "additional_special_tokens", "extra_special_tokens");

    private final Vocabulary vocabulary;
    private final Map<String, AddedToken> tokens = new LinkedHashMap<>();

    AddedTokenCollector(Vocabulary vocabulary) {
        this.vocabulary = vocabulary;
    }

    /** The collected tokens. */
    AddedTokens finish() {
        makeSpecial(END_OF_TEXT);
        return new AddedTokens(tokens.values());
    }

    /** Adds a token of the vocabulary. */
    void add(AddedToken token) {
        tokens.put(token.content(), token);
    }

    /** Reads an added_tokens.json, {@code {"token": id, …}}; not special unless another file says so. */
    void readAddedTokens(Path file) {
        try (JsonFile json = new JsonFile(file)) {
            json.nextObject("the file");
            for (String text = json.nextName(); text != null; text = json.nextName()) {
                AddedToken known = tokens.get(text);
                add(json, new AddedToken(text, json.nextId(text), known != null && known.special(),
                        known == null || known.normalized()));
            }
            json.end();
        }
    }

    /** Reads a tokenizer_config.json or special_tokens_map.json. */
    void readConfig(Path file) {
        try (JsonFile json = new JsonFile(file)) {
            json.nextObject("the file");
            for (String name = json.nextName(); name != null; name = json.nextName()) {
                if (name.equals("added_tokens_decoder")) {
                    readDecoder(json, json.nextValue());
                } else if (name.equals("add_prefix_space") && Boolean.TRUE.equals(json.nextValue())) {
                    throw json.malformed("add_prefix_space is true; only GPT-2's own, false, is supported");
                } else if (ROLES.contains(name)) {
                    readRole(file, name, json.nextValue());
                } else if (!name.equals("add_prefix_space")) {
                    json.skipNext();
                }
            }
            json.end();
        }
    }

    private void readDecoder(JsonFile json, Object value) {
        if (!(value instanceof Map<?, ?> decoder)) {
            throw json.malformed("added_tokens_decoder must be an object, found " + describe(value));
        }
        decoder.forEach((key, token) -> {
            int id;
            try {
                id = Integer.parseInt((String) key);
            } catch (NumberFormatException e) {
                throw json.malformed("added_tokens_decoder must map ids to tokens, found the key "
                        + JsonFile.quoted((String) key));
            }
            add(json, token, id);
        });
    }

    private void readRole(Path file, String role, Object value) {
        if (value instanceof List<?> several) {
            several.forEach(each -> readRole(file, role, each));
        } else if (value instanceof Map<?, ?> token && token.get("content") instanceof String content) {
            checkMatching(file, content, token);
            makeSpecial(content);
        } else if (value instanceof Map<?, ?> named) {
            named.values().forEach(each -> readRole(file, role, each));
        } else if (value instanceof String content) {
            makeSpecial(content);
        } else if (value != null) {
            throw new CheckpointException(Reason.MALFORMED, file, role + " must be a token, found "
                    + describe(value));
        }
    }

    /** A token that the vocabulary lacks is not made: it would have no row in the model's embedding. */
    private void makeSpecial(String content) {
        AddedToken known = tokens.get(content);
        int id = known != null ? known.id() : vocabulary.id(content);
        if (id >= 0) {
            tokens.put(content, new AddedToken(content, id, true, known != null && known.normalized()));
        }
    }

    /**
     * Adds a token.
     *
     * @param json where it stands
     * @param value {@code {"content": …, "special": …, …}}
     * @param id its id
     */
    void add(JsonFile json, Object value, int id) {
        if (!(value instanceof Map<?, ?> token) || !(token.get("content") instanceof String content)) {
            throw json.malformed("an added token must be an object with its content, found " + describe(value));
        }
        checkMatching(json.file(), content, token);
        boolean special = Boolean.TRUE.equals(token.get("special"));
        Object normalized = token.get("normalized");
        add(json, new AddedToken(content, json.id(id, content), special,
                normalized == null ? !special : Boolean.TRUE.equals(normalized)));
    }

    private void add(JsonFile json, AddedToken token) {
        String content = token.content();
        if (content.isEmpty()) {
            throw json.malformed("an added token is empty");
        }
        int known = vocabulary.id(content);
        if (known < 0) {
            if (vocabulary.add(content, token.id()) != Vocabulary.Added.NEW) {
                throw json.malformed("the added token " + JsonFile.quoted(content) + " has the id " + token.id()
                        + ", which is that of " + JsonFile.quoted(vocabulary.text(token.id())));
            }
        } else if (known != token.id()) {
            throw json.malformed("the added token " + JsonFile.quoted(content) + " has the id " + token.id()
                    + ", but the vocabulary gives it " + known);
        }
        add(token);
    }

    private static void checkMatching(Path file, String content, Map<?, ?> token) {
        for (String option : List.of("single_word", "lstrip", "rstrip")) {
            if (Boolean.TRUE.equals(token.get(option))) {
                throw new CheckpointException(Reason.MALFORMED, file, "the added token " + JsonFile.quoted(content)
                        + " has " + option + " = true, which is not supported");
            }
        }
    }

    static String describe(Object value) {
        return JsonFile.quoted(String.valueOf(value));
    }
}
