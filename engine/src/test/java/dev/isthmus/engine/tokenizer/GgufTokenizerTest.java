package dev.isthmus.engine.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.weights.gguf.GgufBytes;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The tokenizer in a GGUF file's metadata, by llama.cpp's types of tokens. */
class GgufTokenizerTest {

    private static final int NORMAL = 1;
    private static final int UNKNOWN = 2;
    private static final int CONTROL = 3;
    private static final int USER_DEFINED = 4;
    private static final int UNUSED = 5;
    private static final int BYTE = 6;

    @TempDir
    private Path directory;

    private final GgufBytes file = new GgufBytes();

    private GgufTokenizerTest tokens(String... tokens) {
        file.text("tokenizer.ggml.model", "gpt2").texts("tokenizer.ggml.tokens", tokens);
        return this;
    }

    private GgufTokenizerTest types(int... types) {
        file.wholes("tokenizer.ggml.token_type", types);
        return this;
    }

    private Tokenizer open(String... merges) throws IOException {
        Path written = Files.write(directory.resolve("model.gguf"),
                file.texts("tokenizer.ggml.merges", merges).bytes());
        return Tokenizer.open(written).orElseThrow();
    }

    @Test
    void addedTokensHoldPlainText() throws IOException {
        Tokenizer tokenizer = tokens("a", "Ġ", "é", "café", "<début>", "Ġx", "<日本>", "Ã", "©")
                .types(NORMAL, NORMAL, NORMAL, USER_DEFINED, CONTROL, USER_DEFINED, UNKNOWN, NORMAL, NORMAL).open();
        assertEquals("a café<début>Ġx<日本>", tokenizer.decode(0, 1, 3, 4, 5, 6));
        assertEquals("é", tokenizer.decode(7, 8), "as written in the byte alphabet");
        assertArrayEquals(new int[] {0, 3, 4, 6}, tokenizer.encodeWithSpecialTokens("acafé<début><日本>"));
        assertArrayEquals(new int[] {0, 3, 0}, tokenizer.encode("acaféa"));
        assertEquals(OptionalInt.empty(), tokenizer.specialToken("café"));
        assertEquals("café", tokenizer.newStreamDecoder().append(3));
    }

    @Test
    void anAddedTokenThatAMergeMakesIsInTheByteAlphabet() throws IOException {
        Tokenizer tokenizer = tokens("Ġ", "x", "Ġx").types(NORMAL, NORMAL, USER_DEFINED).open("Ġ x");
        assertEquals(" x", tokenizer.decode(tokenizer.encode(" x")));
    }

    @Test
    void emptyTokensAndPlaceholdersAreEmptyText() throws IOException {
        Tokenizer tokenizer = tokens("a", "", "", "[PAD3]", "[PAD3]", "b", "ab", "")
                .types(NORMAL, NORMAL, USER_DEFINED, UNUSED, UNUSED, NORMAL, UNUSED, CONTROL).open("a b");
        assertEquals("aab", tokenizer.decode(0, 1, 2, 3, 4, 7, 0, 5));
        assertFalse(tokenizer.hasToken(3));
        assertArrayEquals(new int[] {6}, tokenizer.encode("ab"), "a token that a merge makes is used, whatever its type");
        assertThrows(InvalidInputException.class, () -> tokenizer.decode(8));
    }

    @Test
    void rowsBeyondTheTokensAreEmptyText() throws IOException {
        file.tensor("token_embd.weight", 0, new byte[4 * 4 * 3], 4, 3);
        Tokenizer tokenizer = tokens("a", "b").open();
        assertEquals("ab", tokenizer.decode(0, 2, 1));
        assertThrows(InvalidInputException.class, () -> tokenizer.decode(3));
    }

    @Test
    void aByteTokenIsItsByte() throws IOException {
        assertEquals("aé<0xZZ>", tokens("a", "<0xC3>", "<0xA9>", "<0xZZ>").types(NORMAL, BYTE, BYTE, BYTE).open()
                .decode(0, 1, 2, 3));
    }

    @Test
    void whatSurroundsATextIsAddedWithSpecialTokens() throws IOException {
        file.whole("tokenizer.ggml.bos_token_id", 1).whole("tokenizer.ggml.eos_token_id", 2)
                .key("tokenizer.ggml.add_bos_token", 7, new byte[] {1})
                .key("tokenizer.ggml.add_eos_token", 7, new byte[] {1});
        Tokenizer tokenizer = tokens("a", "<s>", "</s>").types(NORMAL, CONTROL, CONTROL).open();
        assertArrayEquals(new int[] {1, 0, 2}, tokenizer.encodeWithSpecialTokens("a"));
        assertArrayEquals(new int[] {0}, tokenizer.encode("a"));
    }

    @Test
    void anotherModelsTokenizerIsNamed() {
        file.text("tokenizer.ggml.pre", "llama-bpe");
        CheckpointException refusal = assertThrows(CheckpointException.class, () -> tokens("a").open());
        assertEquals(CheckpointException.Reason.UNSUPPORTED_TOKENIZER, refusal.reason());
    }
}
