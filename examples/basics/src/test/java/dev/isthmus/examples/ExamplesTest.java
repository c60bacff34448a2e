package dev.isthmus.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Each example runs, with the demo model. */
class ExamplesTest {

    private static final String MODEL = System.getProperty("demo.model");

    @FunctionalInterface
    private interface Main {
        void run(String[] args) throws Exception;
    }

    @Test
    void completionContinuesTheText() throws Exception {
        assertFalse(output(Completion::main, MODEL).isBlank());
    }

    @Test
    void theServerStreamsAContinuation() throws Exception {
        URI address = URI.create(output(StreamingServer::main, MODEL, "0").strip());
        assertFalse(post(address, 200, "Once upon a time").isBlank());
        assertTrue(post(address, 400, "").contains("empty"));
    }

    @Test
    void eachSentenceIsScored(@TempDir Path dir) throws Exception {
        Path file = Files.writeString(dir.resolve("sentences"), "To be, or not to be.\n\nXq zzkt vv ##.\n");
        List<String> lines = output(SentenceScores::main, MODEL, file.toString()).lines().toList();
        assertEquals(2, lines.size(), lines::toString);
        assertTrue(perplexity(lines.getFirst()) < perplexity(lines.getLast()), lines::toString);
    }

    @Test
    void reviewsAreClassifiedWithMoreAndMoreExamples() throws Exception {
        List<String> lines = output(FewShotClassification::main, MODEL).lines().toList();
        assertEquals(4, lines.size(), lines::toString);
        assertTrue(lines.stream().skip(1).allMatch(line -> line.matches(".*\\.( +(good|bad)){4}")), lines::toString);
    }

    @Test
    void everyHeadLooksSomewhere() throws Exception {
        List<String> lines = output(AttentionInspection::main, MODEL, "the king and the queen").lines().toList();
        assertEquals(4 * 6, lines.size(), lines::toString);
    }

    @Test
    void everyCallerGetsItsContinuation() throws Exception {
        List<String> texts = List.of("KING HENRY:", "First Citizen:", "JULIET:");
        String replies = output(ManyCallers::main, MODEL, texts.get(0), texts.get(1), texts.get(2));
        for (String text : texts) {
            assertTrue(replies.contains(text), replies);
        }
    }

    @Test
    void theReadmeShowsTheCompletionAndThisVersion() throws IOException {
        String readme = Files.readString(Path.of("..", "..", "README.md"));
        String program = readme.substring(readme.indexOf("```java\n") + "```java\n".length());
        program = program.substring(program.indexOf("    public static void main"), program.indexOf("}\n```"));
        String example = Files.readString(Path.of("src/main/java/dev/isthmus/examples/Completion.java"));
        assertTrue(example.contains(program), () -> "README.md's first Java program is not Completion.main");
        assertTrue(readme.contains("<version>" + System.getProperty("isthmus.version") + "</version>"));
    }

    private static double perplexity(String line) {
        return Double.parseDouble(line.strip().split(" ")[0]);
    }

    private static String output(Main main, String... args) throws Exception {
        PrintStream before = System.out;
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        System.setOut(new PrintStream(bytes, true, StandardCharsets.UTF_8));
        try {
            main.run(args);
        } finally {
            System.setOut(before);
        }
        return bytes.toString(StandardCharsets.UTF_8);
    }

    private static String post(URI address, int status, String body) throws IOException {
        HttpURLConnection request = (HttpURLConnection) address.toURL().openConnection();
        request.setDoOutput(true);
        request.getOutputStream().write(body.getBytes(StandardCharsets.UTF_8));
        assertEquals(status, request.getResponseCode());
        try (InputStream reply = status == 200 ? request.getInputStream() : request.getErrorStream()) {
            return new String(reply.readAllBytes(), StandardCharsets.UTF_8);
        }
    }
}
