package dev.isthmus.tools.parity;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** Every published entry is known, and what will be done with it too. */
class PublishedEntriesTest {

    private static final List<PublishedEntry> ENTRIES = PublishedNumbers.entries();

    private static Map<String, Long> kinds(Class<? extends Plan> plan) {
        return new TreeMap<>(ENTRIES.stream().filter(entry -> plan.isInstance(Plan.of(entry)))
                .collect(Collectors.groupingBy(PublishedEntry::kind, Collectors.counting())));
    }

    @Test
    void everyEntryIsClassified() {
        assertEquals(552, ENTRIES.size());
        assertEquals(Map.of("beam", 7L, "greedy", 38L, "hidden", 7L, "identity", 3L, "logits", 8L, "logprob", 19L,
                "loss", 4L, "pretokenizer", 11L, "tokenizer", 437L), kinds(Plan.Run.class));
        assertEquals(Map.of("logits", 5L), kinds(Plan.RunWithGelu.class));
        assertEquals(Map.of("beam", 1L, "contrastive", 1L, "logits", 1L, "loss", 1L, "metric", 9L),
                kinds(Plan.Skip.class));
    }

    @Test
    void everyEntryStatesItsSource() {
        // Five name none: four operator tests, which come from the runtime of the entry before them, and one of tokens.
        assertEquals(5, ENTRIES.stream().filter(entry -> entry.source().isBlank()).count());
    }

    @Test
    void theExamplesInFullAreRead() {
        List<Tree> examples = PublishedNumbers.explainerExamples();
        assertEquals(5, examples.size());
        for (Tree example : examples) {
            ExplainerChecks.whole(example);
            assertEquals(50257, example.get("last_position_logits").numbers().length);
        }
    }

    @Test
    void anEntryOfAnUnknownShapeIsRefusedAndNotPassedOver() throws IOException {
        for (String kind : List.of("beam", "logits", "hidden", "logprob", "loss", "identity", "colour")) {
            PublishedEntry entry = entry("""
                    {"id": "new", "kind": "%s", "model": "gpt2", "input_ids": [1], "confidence": "high",
                     "expected": {"something": 1}}""".formatted(kind));
            assertThrows(NoSuchElementException.class, () -> Plan.of(entry), kind);
        }
    }

    @Test
    void anEntryAppliesToTheModelThatItNames() throws IOException {
        PublishedEntry large = entry("""
                {"id": "x", "kind": "logits", "model": "gpt2-large"}""");
        PublishedEntry tokens = entry("""
                {"id": "x", "kind": "tokenizer", "model": "gpt2"}""");
        assertFalse(Parity.whyNot(large, Optional.of(PublishedModel.GPT2)).isEmpty());
        assertEquals(Optional.empty(), Parity.whyNot(large, Optional.of(PublishedModel.GPT2_LARGE)));
        assertEquals(Optional.empty(), Parity.whyNot(tokens, Optional.of(PublishedModel.GPT2_LARGE)));
        assertFalse(Parity.whyNot(tokens, Optional.empty()).isEmpty());
    }

    static PublishedEntry entry(String json) throws IOException {
        return PublishedEntry.of(Tree.read(new ByteArrayInputStream(json.getBytes(StandardCharsets.UTF_8)), "test"));
    }
}
