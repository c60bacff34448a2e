package dev.isthmus.engine.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** What other projects publish as GPT-2's ids for a text; each record names its source. */
class PublishedVectorsTest {

    private static final List<Map<String, Object>> RECORDS = Fixtures.records("/published/tokenizer.json");

    @Test
    void allPublishedTextsHaveThePublishedIds() {
        int count = 0;
        for (Map<String, Object> each : RECORDS) {
            if (each.get("ids") == null) {
                continue;
            }
            String text = (String) each.get("text");
            int[] ids = (Boolean) each.get("special") ? Fixtures.gpt2().encodeWithSpecialTokens(text)
                    : Fixtures.gpt2().encode(text);
            assertArrayEquals(Fixtures.ints(each, "ids"), ids, () -> each.get("id") + " of " + each.get("source"));
            assertEquals(text, Fixtures.gpt2().decode(ids), () -> "decoding " + each.get("id"));
            count++;
        }
        assertEquals(437, count);
    }

    @Test
    void allPublishedTextsSplitIntoThePublishedPieces() {
        int count = 0;
        for (Map<String, Object> each : RECORDS) {
            if (each.get("piece_bytes") == null) {
                continue;
            }
            String text = (String) each.get("text");
            List<Integer> lengths = new ArrayList<>();
            for (int at = 0; at < text.length();) {
                int end = Pretokenizer.pieceEnd(text, at, text.length());
                lengths.add(text.substring(at, end).getBytes(StandardCharsets.UTF_8).length);
                at = end;
            }
            assertEquals(each.get("piece_bytes"), lengths, () -> each.get("id") + " of " + each.get("source"));
            count++;
        }
        assertEquals(11, count);
    }
}
