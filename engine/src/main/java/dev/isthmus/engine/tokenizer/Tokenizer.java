package dev.isthmus.engine.tokenizer;

import dev.isthmus.engine.checks.Arguments;
import dev.isthmus.engine.checks.Interrupts;
import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.files.MemoryLimit;
import dev.isthmus.engine.weights.gguf.GgufHeader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.LongStream;

/**
 * GPT-2's byte-level BPE: text to token ids and back. Any text has ids where the vocabulary has tokens for all 256
 * bytes, as GPT-2's has, and decodes to itself. Immutable; any thread may use it.
 *
 * <p>The ids are those of Hugging Face tokenizers with {@code add_special_tokens=False}; a tokenizer that splits,
 * normalizes or merges in a way that GPT-2's cannot express is refused when it is opened.
 */
public final class Tokenizer {

    private static final int MAX_TEXT = 1 << 27;
    private static final byte[] NO_BYTES = {};

    private final Vocabulary vocabulary;
    private final BytePairModel model;
    private final TextRules rules;
    /** How many ids the model's own matrices have rows for; those without a token are empty text. */
    private final int rows;

    /**
     * Puts one together.
     *
     * @param rows the size of the model's vocabulary; 0 where it is not known
     */
    Tokenizer(Vocabulary vocabulary, BytePairModel model, TextRules rules, int rows) {
        this.vocabulary = vocabulary;
        this.model = model;
        this.rules = rules;
        this.rows = rows;
        writeAddedTokensOut();
    }

    /** An added token that no text becomes by itself stands for what it says, also in letters of the byte alphabet. */
    private void writeAddedTokensOut() {
        List<AddedToken> written = rules.added().all().stream()
                .filter(token -> token.content().chars().anyMatch(c -> c >= 0x80)).toList();
        if (!written.isEmpty()) {
            BitSet made = model.made();
            written.stream().filter(token -> !made.get(token.id()))
                    .forEach(token -> vocabulary.setBytes(token.id(), token.content().getBytes(StandardCharsets.UTF_8)));
        }
    }

    /**
     * Opens the tokenizer of a model: that in the metadata of a GGUF file, or the tokenizer files of a model directory;
     * empty where there are none. In a directory {@code tokenizer.json} is read where it exists, as transformers does,
     * else {@code vocab.json} with {@code merges.txt}; {@code added_tokens.json}, {@code special_tokens_map.json} and
     * {@code tokenizer_config.json} add special tokens, with the ids that transformers' {@code AutoTokenizer} gives them
     * where no file states any; {@code config.json} tells how many ids the model has.
     *
     * @param model a directory or a GGUF file, of any file system; nothing is kept open
     * @return the tokenizer, or empty if there is none of the three files, or the GGUF file has none
     * @throws CheckpointException if only one of {@code vocab.json} and {@code merges.txt} is there, or a file cannot
     *     be read, is malformed, or asks for what is not computed here (with the reason {@code
     *     UNSUPPORTED_TOKENIZER}); the message says where and what
     */
    public static Optional<Tokenizer> open(Path model) {
        Arguments.nonNull(model, "open a tokenizer", "model");
        return Interrupts.during("reading the tokenizer of " + model, () -> MemoryLimit.reading(model,
                () -> GgufHeader.isGguf(model) ? GgufTokenizer.open(model) : TokenizerFiles.open(model)));
    }

    /**
     * The ids of a text; special tokens in it are plain text. An unpaired surrogate is encoded as U+FFFD. Takes n log n
     * steps for n characters, whatever they are.
     *
     * @param text at most 2^27 characters; may be empty
     * @return the ids, as many as it takes
     * @throws InvalidInputException if the text is too long, or needs a byte that the vocabulary has no token for
     * @throws dev.isthmus.engine.errors.CancelledException if the thread is interrupted
     */
    public int[] encode(String text) {
        return encode(text, false);
    }

    /**
     * The ids of a text in which special tokens stand for themselves, between those that the tokenizer's post-processor
     * puts around each text (GPT-2's puts none): the ids of Hugging Face tokenizers with {@code
     * add_special_tokens=True}. Do not use it on text from outside: whoever wrote it could then end the text or play
     * another role.
     *
     * @param text as for {@link #encode(String)}
     * @return the ids
     * @throws InvalidInputException as {@link #encode(String)}
     */
    public int[] encodeWithSpecialTokens(String text) {
        return encode(text, true);
    }

    private int[] encode(String text, boolean withSpecial) {
        Arguments.nonNull(text, "encode", "text");
        if (text.length() > MAX_TEXT) {
            throw new InvalidInputException("encoding a text: at most " + MAX_TEXT + " characters are accepted, found "
                    + text.length() + "; encode it in parts");
        }
        BytePairEncoder encoder = new BytePairEncoder(model, rules.splitting());
        rules.added().split(text, withSpecial, new AddedTokens.Parts() {
            @Override
            public void text(int from, int to) {
                encoder.append(text, from, to);
            }

            @Override
            public void token(int id) {
                encoder.append(id);
            }
        });
        return rules.postProcessor().apply(encoder.ids(), withSpecial);
    }

    /**
     * The text of ids; byte sequences that are not UTF-8 become U+FFFD. Special tokens come as their text. An id without
     * a token that the model has nevertheless is empty text: many models have more rows than tokens, padded to a
     * multiple of 64 or so, and can choose them.
     *
     * @param ids token ids, as many as you like
     * @return the text
     * @throws InvalidInputException if an id has no token and is not one of the model's either. Which ids the model has
     *     is known where the tokenizer was opened with its configuration beside it
     */
    public String decode(int... ids) {
        Arguments.nonNull(ids, "decode", "ids");
        Utf8Accumulator bytes = new Utf8Accumulator();
        for (int id : ids) {
            bytes.add(bytes(id));
        }
        return bytes.takeAll();
    }

    /**
     * {@return the token as the vocabulary file writes it, for example {@code Ġthe} for " the"}
     *
     * @param id the id
     * @throws InvalidInputException if the id has no token
     */
    public String token(int id) {
        return vocabulary.text(checked(id));
    }

    /** {@return the number of ids: one more than the largest} */
    public int vocabularySize() {
        return vocabulary.limit();
    }

    /**
     * {@return the id of a special token, for example {@code <|endoftext|>}; empty where the model has none of this
     * text}
     *
     * @param text the text that it stands for
     */
    public OptionalInt specialToken(String text) {
        return rules.added().special(Arguments.nonNull(text, "find a special token", "text"));
    }

    /**
     * {@return whether an id has a token; a vocabulary may have gaps, and the model may have more ids than tokens}
     *
     * @param id the id
     */
    public boolean hasToken(int id) {
        return id >= 0 && id < vocabulary.limit() && vocabulary.contains(id);
    }

    /**
     * {@return whether a token stands for its text wherever it appears, before any merge, as special tokens do}
     *
     * @param id the id
     * @throws InvalidInputException if the id has no token
     */
    public boolean isAdded(int id) {
        return rules.added().contains(token(id));
    }

    /**
     * {@return an option by which this tokenizer gives other ids than GPT-2's own algorithm with the same vocabulary, merges
     * and added tokens would; empty if there is none} What surrounds a text with special tokens does not count.
     */
    public Optional<String> unlikeGpt2() {
        return rules.splitting().unlikeGpt2().or(model::unlikeGpt2).or(rules.added()::unlikeGpt2);
    }

    /** {@return the merges in the order of their precedence, each as a line of merges.txt: {@code Ġt he}} */
    public List<String> merges() {
        return LongStream.of(model.mergesInOrder())
                .mapToObj(pair -> token((int) (pair >>> 32)) + " " + token((int) pair)).toList();
    }

    /** {@return a decoder for a stream of ids} */
    public StreamDecoder newStreamDecoder() {
        return new StreamDecoder(this);
    }

    /** The bytes that an id stands for: none for one of the model's that has no token. */
    byte[] bytes(int id) {
        return id >= 0 && id < rows && !hasToken(id) ? NO_BYTES : vocabulary.bytes(checked(id));
    }

    private int checked(int id) {
        int limit = Math.max(vocabulary.limit(), rows);
        if (id < 0 || id >= limit) {
            throw new InvalidInputException("decoding: token ids of this tokenizer go from 0 to " + (limit - 1)
                    + ", found " + id);
        }
        if (!hasToken(id)) {
            throw new InvalidInputException("decoding: the vocabulary has no token for id " + id + " (its ids go from "
                    + "0 to " + (vocabulary.limit() - 1) + " with gaps)");
        }
        return id;
    }
}
