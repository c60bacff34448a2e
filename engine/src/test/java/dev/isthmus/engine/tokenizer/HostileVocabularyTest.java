package dev.isthmus.engine.tokenizer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.isthmus.engine.errors.CheckpointException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Vocabularies that somebody made to do harm. */
class HostileVocabularyTest {

    @TempDir
    private Path directory;

    /** "Aa" and "BB" have the same {@link String#hashCode}, and so have all texts put together from them. */
    @Test
    @Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void tokensOfTheSameJavaHashAreReadInTimeThatGrowsWithTheirNumber() throws IOException {
        int bits = 18;
        StringBuilder json = new StringBuilder("{");
        for (int id = 0; id < 1 << bits; id++) {
            json.append(id == 0 ? "\"" : ",\"");
            for (int bit = 0; bit < bits; bit++) {
                json.append((id >> bit & 1) == 0 ? "Aa" : "BB");
            }
            json.append("\":").append(id);
        }
        Files.writeString(directory.resolve("vocab.json"), json.append('}'));
        Files.writeString(directory.resolve("merges.txt"), "");
        assertEquals(1 << bits, Tokenizer.open(directory).orElseThrow().vocabularySize(), "2^18 tokens");
    }

    @Test
    void valuesNestedDeeperThanPythonReadsThemAreRefused() throws IOException {
        String tokenizer = """
                {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}, "decoder": {"type": "ByteLevel"},
                "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "x": %s}""";
        Files.writeString(directory.resolve("tokenizer.json"), String.format(tokenizer, "[".repeat(126)
                + "]".repeat(126)));
        assertEquals(1, Tokenizer.open(directory).orElseThrow().vocabularySize());
        Files.writeString(directory.resolve("tokenizer.json"), String.format(tokenizer, "[".repeat(127)
                + "]".repeat(127)));
        CheckpointException refusal = assertThrows(CheckpointException.class, () -> Tokenizer.open(directory));
        assertEquals(CheckpointException.Reason.MALFORMED, refusal.reason());
    }
}
