package dev.isthmus.engine.tokenizer;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.files.JsonFile;
import dev.isthmus.engine.tokenizer.AddedToken.Matching;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/**
 * Collects the added tokens that a model's files name, and what else stands beside the model: how text is split and what
 * surrounds it.
 */
final class AddedTokenCollector {

    /** GPT-2's end of text: transformers makes it special even where no file names it. */
    static final String END_OF_TEXT = "<|endoftext|>";

    private final Vocabulary vocabulary;
    private final Map<String, AddedToken> tokens = new LinkedHashMap<>();
    /** Tokens that got another id than their file says. */
    private final Set<String> moved = new HashSet<>();
    /** One more than the largest id of an added token. */
    private int afterAdded;
    private PreTokenization splitting = PreTokenization.GPT2;
    private PostProcessor postProcessor = PostProcessor.NONE;
    private boolean readsTokenizerJson;

    AddedTokenCollector(Vocabulary vocabulary) {
        this.vocabulary = vocabulary;
    }

    /** All that was collected. */
    TextRules finish() {
        makeSpecial(END_OF_TEXT, Matching.EXACT);
        return new TextRules(new AddedTokens(tokens.values()), splitting, postProcessor);
    }

    /** Sets how the text between added tokens is split. */
    void setSplitting(PreTokenization splitting) {
        this.splitting = splitting;
    }

    /** Sets whether text begins with a space. */
    void setPrefixSpace(boolean adds) {
        splitting = splitting.withPrefixSpace(adds);
    }

    /** Sets the post-processor of a tokenizer.json, which counts whatever other files say. */
    void setPostProcessor(PostProcessor postProcessor) {
        this.postProcessor = postProcessor;
        readsTokenizerJson = true;
    }

    /** Surrounds a text with special tokens, unless there is a tokenizer.json, which says itself what does. */
    void surround(int[] before, int[] after) {
        if (!readsTokenizerJson && before.length + after.length > 0) {
            postProcessor = PostProcessor.around(before, after);
        }
    }

    /** Adds a token of the vocabulary. */
    void add(AddedToken token) {
        tokens.put(token.content(), token);
        afterAdded = Math.max(afterAdded, token.id() + 1);
    }

    /** The id of a token by its text; -1 if there is none. */
    int id(String content) {
        return vocabulary.id(content);
    }

    /** Whether a token is an added one already. */
    boolean contains(String content) {
        return tokens.containsKey(content);
    }

    /** Makes a token special if there is one; one that is added already is looked for as before. */
    void makeSpecial(String content, Matching matching) {
        AddedToken known = tokens.get(content);
        int id = vocabulary.id(content);
        if (id >= 0) {
            add(known != null ? known.asSpecial() : new AddedToken(content, id, true, matching));
        }
    }

    /**
     * Adds a special token with the next free id, as Hugging Face tokenizers do.
     *
     * @param file the file that names it
     */
    void addNew(Path file, String content, Matching matching) {
        add(new AddedToken(content, newId(file, content), true, matching));
    }

    /** Reads an added_tokens.json, {@code {"token": id, …}}; not special unless another file says so. */
    void readAddedTokens(Path file) {
        try (JsonFile json = new JsonFile(file)) {
            json.nextObject("the file");
            for (String text = json.nextName(); text != null; text = json.nextName()) {
                AddedToken known = tokens.get(text);
                int id = Vocabulary.id(json, json.nextValue(), text);
                addWithId(json, new AddedToken(text, id, known != null && known.special(),
                        known == null ? Matching.NORMALIZED : known.matching()));
            }
            json.end();
        }
    }

    /**
     * Adds a token of {@code added_tokens_decoder}.
     *
     * @param json where it stands
     * @param value {@code {"content": …, "special": …, …}}
     * @param id its id
     */
    void addOfDecoder(JsonFile json, Object value, int id) {
        addWithId(json, token(json, value, id));
    }

    /**
     * Adds a token of a tokenizer.json. One that the model lacks gets the next free id whatever the file says, as in
     * Hugging Face tokenizers; one with the id of another of the model's tokens is refused.
     *
     * @param json where it stands
     * @param value {@code {"content": …, "special": …, …}}
     * @param id the id that the file gives it
     */
    void addOfTokenizer(JsonFile json, Object value, int id) {
        AddedToken token = token(json, value, id);
        if (token.content().isEmpty() || vocabulary.id(token.content()) >= 0 || id == nextId()
                || vocabulary.contains(id) && vocabulary.isModelToken(id)) {
            addWithId(json, token);
            return;
        }
        int next = newId(json.file(), token.content());
        moved.add(token.content());
        System.getLogger(AddedTokenCollector.class.getName()).log(System.Logger.Level.WARNING,
                json.file() + ": the added token " + JsonFile.quoted(token.content()) + " has the id " + id
                        + ", which is not the next free one; it gets the id " + next
                        + ", as Hugging Face tokenizers gives it");
        add(new AddedToken(token.content(), next, token.special(), token.matching()));
    }

    private AddedToken token(JsonFile json, Object value, int id) {
        if (!(value instanceof Map<?, ?> fields) || !(fields.get("content") instanceof String content)) {
            throw json.malformed("an added token must be an object with its content, found " + describe(value));
        }
        boolean special = Boolean.TRUE.equals(fields.get("special"));
        return new AddedToken(content, Vocabulary.id(json, id, content), special, matching(fields, special));
    }

    /** The options on where a token is found, as an object that describes it states them. */
    static Matching matching(Map<?, ?> token, boolean special) {
        Object normalized = token.get("normalized");
        return new Matching(Boolean.TRUE.equals(token.get("single_word")), Boolean.TRUE.equals(token.get("lstrip")),
                Boolean.TRUE.equals(token.get("rstrip")),
                normalized == null ? !special : Boolean.TRUE.equals(normalized));
    }

    private void addWithId(JsonFile json, AddedToken token) {
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
        } else if (known != token.id() && !moved.contains(content)) {
            throw json.malformed("the added token " + JsonFile.quoted(content) + " has the id " + token.id()
                    + ", but the vocabulary gives it " + known);
        }
        add(new AddedToken(content, vocabulary.id(content), token.special(), token.matching()));
    }

    /** The next free id: after those of the added tokens, and at least the number of the model's own. */
    private int nextId() {
        return Math.max(vocabulary.modelSize(), afterAdded);
    }

    private int newId(Path file, String content) {
        int id = nextId();
        if (id >= Vocabulary.MAX_IDS || vocabulary.add(content, id) != Vocabulary.Added.NEW) {
            throw new CheckpointException(Reason.MALFORMED, file, "the token " + JsonFile.quoted(content)
                    + " has no id in the vocabulary, and the next free one, " + id + ", is taken; give it an id in"
                    + " added_tokens");
        }
        return id;
    }

    static String describe(Object value) {
        return JsonFile.quoted(String.valueOf(value));
    }
}
