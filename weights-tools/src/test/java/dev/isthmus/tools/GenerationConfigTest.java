package dev.isthmus.tools;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A model's generation_config.json, as the commands take it. The ids are those of transformers 5.18's {@code generate}
 * with the same model of 260 tokens and 32 positions, whose config.json has the end-of-text id 0.
 */
class GenerationConfigTest {

    private static final Pattern IDS = Pattern.compile("\"ids\":\\[([0-9,]*)]");

    @TempDir
    Path model;

    @BeforeEach
    void copyModel() throws IOException {
        for (String name : List.of("config.json", "model.safetensors", "tokenizer.json")) {
            try (var in = GenerationConfigTest.class.getResourceAsStream("generation/" + name)) {
                Files.copy(in, model.resolve(name));
            }
        }
    }

    private void config(String json) throws IOException {
        Files.writeString(model.resolve("generation_config.json"), json.replace('\'', '"'));
    }

    private CommandRun run(String command, String... flags) {
        return CommandRun.of(Stream.concat(Stream.of(command.split(" ")), Stream.concat(Stream.of(flags),
                Stream.of("-m", model.toString()))).toArray(String[]::new));
    }

    private String ids(String prompt, String... flags) {
        CommandRun run = run("generate --json --ids " + prompt, flags);
        assertEquals(0, run.code(), run.err());
        Matcher ids = IDS.matcher(run.out());
        assertTrue(ids.find(), run.out());
        return ids.group(1);
    }

    private String ids() {
        return ids("257,258");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "{'eos_token_id': [0, 217], 'do_sample': false, 'max_new_tokens': 6} | 217",
        "{'eos_token_id': [0, 217, 99999], 'do_sample': false, 'max_new_tokens': 6} | 217",
        "{'eos_token_id': 217, 'do_sample': false, 'max_new_tokens': 6} | 217",
        "{'do_sample': false, 'max_new_tokens': 6} | 217,217,217,49,49,81",
        "{'eos_token_id': null, 'do_sample': false, 'max_new_tokens': 4} | 217,217,217,49",
        "{'do_sample': true, 'temperature': 0.0001, 'max_new_tokens': 5} | 217,217,217,49,49",
        "{'do_sample': true, 'top_k': 1, 'top_p': 1.5, 'max_new_tokens': 5} | 217,217,217,49,49",
        "{'do_sample': true, 'top_p': 0.0, 'max_new_tokens': 5} | 217,217,217,49,49",
        "{'do_sample': false, 'temperature': 9.5, 'max_new_tokens': 5} | 217,217,217,49,49",
        "{'do_sample': false, 'max_length': 7} | 217,217,217,49,49",
        "{'do_sample': false, 'max_length': 3, 'max_new_tokens': 2.0} | 217,217",
        "{'num_beams': 3, 'max_new_tokens': 5, 'length_penalty': -3.0, 'early_stopping': 'never'} | 217,217,217,217,217",
        "{'do_sample': false, 'max_new_tokens': 5, 'suppress_tokens': [217, 999]} | 247,156,249,249,249",
        "{'do_sample': false, 'max_new_tokens': 5, 'begin_suppress_tokens': [217]} | 247,156,249,249,217",
        "{'do_sample': false, 'max_new_tokens': 5, 'eos_token_id': 217, 'min_new_tokens': 2} | 247,156,249,249,217",
        "{'do_sample': false, 'max_new_tokens': 5, 'eos_token_id': 217, 'min_length': 5} | 247,156,249,249,217",
        "{'do_sample': false, 'max_new_tokens': 5, 'eos_token_id': 217, 'bad_words_ids': [[217], [49]]} | 217",
        "{'do_sample': false, 'max_new_tokens': 5, 'forced_eos_token_id': 7, 'forced_bos_token_id': 9} | 217,217,217,49,7",
        "{'do_sample': false, 'max_new_tokens': 6, 'repetition_penalty': 1.3, 'no_repeat_ngram_size': 1} | 217,87,187,249,49,5"})
    void tokensAreThoseOfTransformers(String json, String expected) throws IOException {
        config(json);
        assertEquals(expected, ids());
    }

    @Test
    void aForcedFirstTokenFollowsAPromptOfOne() throws IOException {
        config("{'do_sample': false, 'max_new_tokens': 5, 'forced_bos_token_id': 9}");
        assertEquals("9,187,187,187,249", ids("257"));
    }

    @Test
    void flagsWinOverTheFile() throws IOException {
        config("{'do_sample': true, 'temperature': 90.0, 'top_k': 0, 'max_new_tokens': 3, 'repetition_penalty': 1.3}");
        assertEquals("217,217,217,49", ids("257,258", "--temperature", "0", "-n", "4", "--repetition-penalty", "1"));
        assertEquals("217,217,217", ids("257,258", "--top-k", "1", "--repetition-penalty", "1"));
        config("{'num_beams': 3, 'max_new_tokens': 5, 'max_length': 2}");
        assertEquals("217,217,217,49,49", ids("257,258", "--temperature", "0"));
    }

    @Test
    void withoutTheFileNothingChanges() {
        assertEquals("217,217,217,49,49,81", ids("257,258", "--temperature", "0", "-n", "6"));
        String text = run("inspect").out();
        assertTrue(text.isEmpty() || !text.contains("generation defaults"), text);
    }

    @Test
    void aPromptAsLongAsMaxLengthIsRefused() throws IOException {
        config("{'max_length': 2}");
        CommandRun run = run("generate --ids 257,258");
        assertEquals(1, run.code());
        assertTrue(run.err().contains("max_length 2") && run.err().contains("the prompt has 2"), run.err());
        assertEquals("217", ids("257,258", "--temperature", "0", "-n", "1"));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {"{'temperature': '0.5'} | temperature is \"0.5\"",
        "{'max_new_tokens': 0} | max_new_tokens is 0", "{'do_sample': 'yes'} | do_sample is \"yes\"",
        "{'top_p': -1} | top-p must be in", "{'bad_words_ids': [7]} | bad_words_ids is [7]",
        "{'early_stopping': 3, 'num_beams': 2} | early_stopping is 3", "{'eos_token_id': 'x'} | eos_token_id is \"x\"",
        "{'early_stopping': 'no', 'num_beams': 2} | supported: true, false or \"never\"", "{ | expected a JSON object"})
    void aWrongValueIsNamedWithItsFile(String json, String words) throws IOException {
        config(json);
        CommandRun run = run("generate --ids 257,258");
        assertEquals(1, run.code(), run.out());
        assertTrue(run.err().contains("generation_config.json: ") && run.err().contains(words), run.err());
        assertFalse(run.err().contains("REDACTED"), run.err());
    }

    @Test
    void inspectSaysWhereDefaultsComeFrom() throws IOException {
        CommandRun run = CommandRun.of("inspect", model.toString());
        assertTrue(run.out().contains("end of text: 0 (config.json)"), run.out());
        assertFalse(run.out().contains("generation defaults"), run.out());
        config("{'eos_token_id': [0, 217], 'do_sample': true, 'stop_strings': ['a\\n'], 'penalty_alpha': 0.6, 'top_h': null,"
                + " 'guidance_scale': 1.0, 'transformers_version': '5'}");
        run = CommandRun.of("inspect", model.toString());
        assertTrue(run.out().contains("end of text: 0, 217 (generation_config.json)"), run.out());
        assertTrue(run.out().contains("generation defaults: do_sample true, stop_strings [\"a\\n\"]"
                + " (generation_config.json)"), run.out());
        assertTrue(run.out().contains("not followed: penalty_alpha (generation_config.json)"), run.out());
        run = CommandRun.of("inspect", "--json", model.toString());
        assertTrue(run.out().contains("\"generation\":{\"end_of_text\":[0,217],\"end_of_text_source\":"
                + "\"generation_config.json\",\"defaults\":{\"do_sample\":true,\"stop_strings\":[\"a\\n\"]},"
                + "\"not_followed\":[\"penalty_alpha\"]}"), run.out());
        assertTrue(run("generate --ids 257,258 -n 1").err().contains("asks for penalty_alpha, which"), run.err());
    }

    @Test
    void convertKeepsTheFile(@TempDir Path folder) throws IOException {
        config("{'eos_token_id': [0, 217], 'do_sample': false, 'max_new_tokens': 6}");
        Path out = folder.resolve("out");
        assertEquals(0, CommandRun.of("convert", model.toString(), out.toString(), "--dtype", "f32").code());
        model = out;
        assertEquals("217", ids());
    }
}
