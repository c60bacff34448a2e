package dev.isthmus.tools;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.api.GenerationOptions;
import dev.isthmus.engine.api.Model;
import dev.isthmus.engine.api.ModelOptions;
import dev.isthmus.engine.api.Session;
import dev.isthmus.engine.errors.CheckpointException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A weights file that shrinks and vanishes under a model, in a process of its own so that a crash is seen. */
class VanishingFileTest {

    @TempDir
    private Path folder;

    /** The child process: {@code generate} or {@code load}, and the model's directory. */
    public static void main(String[] args) throws IOException {
        Path model = Path.of(args[1]);
        Path weights = model.resolve("model.safetensors");
        if (args[0].equals("load")) {
            try {
                Model.open(model, ModelOptions.DEFAULT.withThreads(1)
                        .withLoadProgress((done, total) -> truncate(weights))).close();
                System.out.println("opened");
            } catch (CheckpointException e) {
                System.out.println(e.reason());
            }
            return;
        }
        try (Model opened = Model.open(model)) {
            String before = generate(opened);
            truncate(weights);
            String shrunk = generate(opened);
            Files.delete(weights);
            System.out.println(before.equals(shrunk) && before.equals(generate(opened)) && !before.isEmpty());
        }
    }

    private static String generate(Model model) {
        try (Session session = model.newSession()) {
            session.append(1, 2, 3);
            StringBuilder ids = new StringBuilder();
            session.generate(GenerationOptions.builder().greedy().maxTokens(20).build())
                    .forEach(token -> ids.append(token.id()).append(' '));
            return ids.toString();
        }
    }

    private static void truncate(Path file) {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.truncate(4096);
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private String child(String what) throws Exception {
        Path model = TinyModel.write(folder.resolve("model"));
        Path out = folder.resolve("out.txt");
        List<String> command = new ArrayList<>(ProcessRun.command(List.of()));
        command.set(command.indexOf(Main.class.getName()), VanishingFileTest.class.getName());
        command.addAll(List.of(what, model.toString()));
        Process process = new ProcessBuilder(command).directory(folder.toFile()).redirectErrorStream(true)
                .redirectOutput(out.toFile()).start();
        assertTrue(process.waitFor(120, TimeUnit.SECONDS), "the child process did not end");
        assertEquals(0, process.exitValue(), Files.readString(out));
        try (Stream<Path> files = Files.list(folder)) {
            assertFalse(files.anyMatch(file -> file.getFileName().toString().startsWith("hs_err")));
        }
        return Files.readString(out);
    }

    @Test
    void aModelIsNotTouchedByAFileThatShrinksAndVanishes() throws Exception {
        assertEquals("true\n", child("generate"));
    }

    @Test
    void aFileThatShrinksWhileItIsReadIsATypedError() throws Exception {
        assertEquals("UNREADABLE\n", child("load"));
    }
}
