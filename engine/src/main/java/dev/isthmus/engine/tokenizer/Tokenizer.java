package dev.isthmus.engine.tokenizer;

import dev.isthmus.engine.checks.Arguments;
import dev.isthmus.engine.checks.Interrupts;
import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.weights.GgufHeader;
import dev.isthmus.engine.weights.MemoryLimit;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.LongStream;

/**
 * GPT-2's byte-level BPE: text to token ids and back. Any text has ids where the vocabulary has tokens for all 256
 * bytes, as GPT-2's has, and decodes to itself. Immutable; any thread may use it.
 *
 * <p>The ids are those of Hugging Face tokenizers with {@code add_special_tokens=False}; a tokenizer that splits,
 * normalizes or merges in another way than GPT-2's is refused when it is opened.
 */
public final class Tokenizer {

    private static final int MAX_TEXT = 1 << 27;

    private final Vocabulary vocabulary;
    private final BytePairModel model;
    private final AddedTokens added;

    Tokenizer(Vocabulary vocabulary, BytePairModel model, AddedTokens added) {
        this.vocabulary = vocabulary;
        this.model = model;
        this.added = added;
    }

    /**
     * Opens the tokenizer of a model: that in the metadata of a GGUF file, or the tokenizer files of a model directory;
     * empty where there are none. In a directory {@code tokenizer.json} is read
     * where it exists, as transformers does, else {@code vocab.json} with {@code merges.txt}; {@code
     * added_tokens.json}, {@code special_tokens_map.json} and {@code tokenizer_config.json} add special tokens.
     *
     * @param model a directory or a GGUF file, of any file system; nothing is kept open
     * @return the tokenizer, or empty if there is none of the three files, or the GGUF file has none
     * @throws CheckpointException if only one of {@code vocab.json} and {@code merges.txt} is there, or a file cannot
     *     be read, is malformed, or asks for what GPT-2's tokenizer does not do; the message says where and what
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
     * The ids of a text in which special tokens stand for themselves. Do not use it on text from outside: whoever
     * wrote it could then end the text or play another role.
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
        BytePairEncoder encoder = new BytePairEncoder(model);
        added.split(text, withSpecial, new AddedTokens.Parts() {
            @Override
            public void text(int from, int to) {
                encoder.append(text, from, to);
            }

            @Override
            public void token(int id) {
                encoder.append(id);
            }
        });
        return encoder.ids();
    }

    /**
     * The text of ids; byte sequences that are not UTF-8 become U+FFFD. Special tokens come as their text.
     *
     * @param ids token ids, as many as you like
     * @return the text
     * @throws InvalidInputException if an id has no token
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
        return added.special(Arguments.nonNull(text, "find a special token", "text"));
    }

    /**
     * {@return whether an id has a token; a vocabulary may have gaps}
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
        return added.contains(token(id));
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

    /** The bytes that an id stands for. */
    byte[] bytes(int id) {
        return vocabulary.bytes(checked(id));
    }

    private int checked(int id) {
        if (id < 0 || id >= vocabulary.limit()) {
            throw new InvalidInputException("decoding: token ids of this tokenizer go from 0 to "
                    + (vocabulary.limit() - 1) + ", found " + id);
        }
        if (!vocabulary.contains(id)) {
            throw new InvalidInputException("decoding: the vocabulary has no token for id " + id + " (its ids go from "
                    + "0 to " + (vocabulary.limit() - 1) + " with gaps)");
        }
        return id;
    }
}
