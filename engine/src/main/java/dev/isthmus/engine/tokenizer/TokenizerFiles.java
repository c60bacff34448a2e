package dev.isthmus.engine.tokenizer;

import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.errors.UnsupportedModelException;
import dev.isthmus.engine.files.JsonFile;
import dev.isthmus.engine.files.TextFile;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Finds the tokenizer files of a model directory and puts a tokenizer together from them. */
final class TokenizerFiles {

    /** How many bytes GPT-2's {@code vocab.json} has for each token. */
    private static final int VOCABULARY_BYTES_PER_TOKEN = 20;

    /** How many its {@code tokenizer.json} has, merges included: 27 on one line, 70 as transformers writes it. */
    private static final int TOKENIZER_BYTES_PER_TOKEN = 48;

    private TokenizerFiles() {}

    /** As {@link Tokenizer#open}. */
    static Optional<Tokenizer> open(Path directory) {
        Path tokenizerFile = directory.resolve("tokenizer.json");
        Vocabulary vocabulary;
        AddedTokenCollector added;
        BytePairModel model;
        if (isThere(tokenizerFile)) {
            vocabulary = new Vocabulary(TextFile.bytes(tokenizerFile) / TOKENIZER_BYTES_PER_TOKEN);
            added = new AddedTokenCollector(vocabulary);
            model = new TokenizerJsonReader(tokenizerFile, vocabulary, added).read();
        } else {
            Path vocabularyFile = directory.resolve("vocab.json");
            Path mergesFile = directory.resolve("merges.txt");
            if (!isThere(vocabularyFile) && !isThere(mergesFile)) {
                return Optional.empty();
            }
            requireBeside(mergesFile, vocabularyFile);
            requireBeside(vocabularyFile, mergesFile);
            vocabulary = new Vocabulary(TextFile.bytes(vocabularyFile) / VOCABULARY_BYTES_PER_TOKEN);
            added = new AddedTokenCollector(vocabulary);
            readVocabulary(vocabularyFile, vocabulary);
            MergeReader merges = new MergeReader(mergesFile, vocabulary);
            merges.addLines(TextFile.read(mergesFile));
            model = new BytePairModel(vocabulary, merges.table(), BytePairRules.GPT2);
        }
        readSideFiles(directory, added);
        return Optional.of(new Tokenizer(vocabulary, model, added.finish(), rowsOfModel(directory)));
    }

    /** The size of the vocabulary that the model's configuration states; 0 where there is none that can be read. */
    private static int rowsOfModel(Path directory) {
        try {
            return Gpt2Config.read(directory).vocabulary();
        } catch (CheckpointException | UnsupportedModelException e) {
            if (e instanceof CheckpointException failed && failed.reason() == Reason.UNREADABLE) {
                throw failed;
            }
            // Whoever opens the model says what is wrong with its configuration.
            return 0;
        }
    }

    private static void requireBeside(Path other, Path file) {
        if (!isThere(file)) {
            throw new CheckpointException(Reason.MISSING_FILE, file, "is missing beside " + other.getFileName()
                    + "; a tokenizer needs both, or a tokenizer.json");
        }
    }

    private static void readSideFiles(Path directory, AddedTokenCollector added) {
        SpecialTokensReader special = new SpecialTokensReader(added);
        Path addedFile = directory.resolve("added_tokens.json");
        if (isThere(addedFile)) {
            added.readAddedTokens(addedFile);
        }
        for (String name : List.of("tokenizer_config.json", "special_tokens_map.json")) {
            Path file = directory.resolve(name);
            if (isThere(file)) {
                special.read(file);
            }
        }
        special.finish();
    }

    private static void readVocabulary(Path file, Vocabulary vocabulary) {
        boolean read;
        try (JsonFile json = new JsonFile(file)) {
            json.nextObject("the vocabulary");
            read = readVocabulary(json, vocabulary);
            if (read) {
                json.end();
            }
        }
        if (!read) {
            try (JsonFile json = new JsonFile(file)) {
                Object tokens = json.nextValue();
                json.end();
                vocabulary.clear();
                addVocabulary(json, (Map<?, ?>) tokens, vocabulary);
            }
        }
        vocabulary.endOfModelTokens();
    }

    /**
     * Reads a vocabulary, {@code {"token": id, …}}, of which the opening brace has been read.
     *
     * @return false if a token or an id comes a second time: what counts is known at the end only, so that the file is
     *     to be read as a whole
     */
    static boolean readVocabulary(JsonFile json, Vocabulary vocabulary) {
        for (String text = json.nextName(); text != null; text = json.nextName()) {
            if (vocabulary.add(text, Vocabulary.id(json, json.nextValue(), text)) != Vocabulary.Added.NEW) {
                return false;
            }
        }
        if (vocabulary.limit() == 0) {
            throw json.malformed("the vocabulary is empty");
        }
        return true;
    }

    /** Adds a vocabulary that was read as a whole, in which the last of several ids of a token counts. */
    static void addVocabulary(JsonFile json, Map<?, ?> tokens, Vocabulary vocabulary) {
        tokens.forEach((name, value) -> {
            String text = (String) name;
            int id = Vocabulary.id(json, value, text);
            if (vocabulary.add(text, id) == Vocabulary.Added.SAME_ID) {
                throw json.malformed("the tokens " + JsonFile.quoted(vocabulary.text(id)) + " and "
                        + JsonFile.quoted(text) + " have the same id " + id);
            }
        });
        if (vocabulary.limit() == 0) {
            throw json.malformed("the vocabulary is empty");
        }
    }

    /** A link that leads nowhere is a download that was not finished, not a file that the model lacks. */
    private static boolean isThere(Path file) {
        return Files.exists(file, LinkOption.NOFOLLOW_LINKS);
    }
}
