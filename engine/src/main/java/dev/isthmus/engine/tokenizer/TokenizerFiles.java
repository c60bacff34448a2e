package dev.isthmus.engine.tokenizer;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Optional;

/** Finds the tokenizer files of a model directory and puts a tokenizer together from them. */
final class TokenizerFiles {

    /** The most bytes of one file: over ten times the largest tokenizer file known. */
    private static final int MAX_BYTES = 1 << 28;

    private final Path directory;
    private final Vocabulary vocabulary = new Vocabulary();
    private final AddedTokenCollector added = new AddedTokenCollector(vocabulary);

    private TokenizerFiles(Path directory) {
        this.directory = directory;
    }

    /** As {@link Tokenizer#open}. */
    static Optional<Tokenizer> open(Path directory) {
        return new TokenizerFiles(directory).open();
    }

    private Optional<Tokenizer> open() {
        Path tokenizerFile = directory.resolve("tokenizer.json");
        byte[] tokenizerJson = read(tokenizerFile);
        BytePairModel model;
        if (tokenizerJson != null) {
            model = new TokenizerJsonReader(tokenizerFile, vocabulary, added).read(tokenizerJson);
        } else {
            Path vocabularyFile = directory.resolve("vocab.json");
            Path mergesFile = directory.resolve("merges.txt");
            byte[] vocabularyJson = read(vocabularyFile);
            byte[] merges = read(mergesFile);
            if (vocabularyJson == null && merges == null) {
                return Optional.empty();
            }
            requireBoth(vocabularyFile, vocabularyJson, mergesFile);
            requireBoth(mergesFile, merges, vocabularyFile);
            try (JsonFile json = new JsonFile(vocabularyFile, vocabularyJson)) {
                json.nextObject("the vocabulary");
                readVocabulary(json, vocabulary);
                json.end();
            }
            vocabulary.endOfModelTokens();
            model = new BytePairModel(vocabulary, MergeList.parse(mergesFile, merges).resolve(vocabulary), -1, false);
        }
        readSideFiles();
        return Optional.of(new Tokenizer(vocabulary, model, added.finish()));
    }

    private static void requireBoth(Path file, byte[] content, Path other) {
        if (content == null) {
            throw new CheckpointException(Reason.MISSING_FILE, file, "is missing beside " + other.getFileName()
                    + "; a tokenizer needs both, or a tokenizer.json");
        }
    }

    private void readSideFiles() {
        Path addedFile = directory.resolve("added_tokens.json");
        byte[] addedJson = read(addedFile);
        if (addedJson != null) {
            added.readAddedTokens(addedFile, addedJson);
        }
        Path configFile = directory.resolve("tokenizer_config.json");
        byte[] configJson = read(configFile);
        if (configJson != null) {
            added.readConfig(configFile, configJson);
        }
        Path specialFile = directory.resolve("special_tokens_map.json");
        byte[] specialJson = read(specialFile);
        if (specialJson != null) {
            added.readConfig(specialFile, specialJson);
        }
    }

    /** Reads a vocabulary, {@code {"token": id, …}}, of which the opening brace has been read. */
    static void readVocabulary(JsonFile json, Vocabulary vocabulary) {
        for (String text = json.nextName(); text != null; text = json.nextName()) {
            int id = json.nextId(text);
            switch (vocabulary.add(text, id)) {
                case NEW -> { }
                case SAME_TEXT -> throw json.malformed("the token " + JsonFile.quoted(text) + " appears twice");
                case SAME_ID -> throw json.malformed("the tokens " + JsonFile.quoted(vocabulary.text(id)) + " and "
                        + JsonFile.quoted(text) + " have the same id " + id);
                case NOT_UNICODE -> throw json.malformed("the token with id " + id + " has an unpaired surrogate");
            }
        }
        if (vocabulary.limit() == 0) {
            throw json.malformed("the vocabulary is empty");
        }
    }

    private static byte[] read(Path file) {
        try (InputStream in = Files.newInputStream(file)) {
            byte[] content = in.readNBytes(MAX_BYTES + 1);
            if (content.length > MAX_BYTES) {
                throw new CheckpointException(Reason.MALFORMED, file, "is longer than " + MAX_BYTES
                        + " bytes, too long for a tokenizer file");
            }
            return content;
        } catch (NoSuchFileException e) {
            return null;
        } catch (IOException e) {
            throw new CheckpointException(Reason.UNREADABLE, file, "cannot be read: " + e, e);
        }
    }
}
