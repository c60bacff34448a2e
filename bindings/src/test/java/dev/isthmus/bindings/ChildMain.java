package dev.isthmus.bindings;

import dev.isthmus.bindings.openblas.OpenBlas;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;

/** What {@link ChildJvm} runs. Prints what it found; an exception is exit code 1, as ever. */
final class ChildMain {
    private ChildMain() {
    }

    public static void main(String[] arguments) throws Exception {
        switch (arguments[0]) {
            case "report" -> System.out.println(NativeLibraries.status(NativeLibrary.OPENBLAS).report());
            case "maps" -> printMappedFiles();
            case "threads" -> askFromManyThreads();
            case "interrupted" -> askWhileInterrupted();
            case "call" -> callWithoutAsking();
            case "redeploy" -> new Redeployment().run(List.of(arguments).subList(1, arguments.length));
            default -> throw new IllegalArgumentException(arguments[0]);
        }
    }

    private static void printMappedFiles() throws IOException {
        System.out.println(NativeLibraries.status(NativeLibrary.OPENBLAS).report());
        Files.readAllLines(Path.of("/proc/self/maps")).forEach(System.out::println);
    }

    private static void askFromManyThreads() throws InterruptedException {
        Set<LibraryStatus> answers = Collections.synchronizedSet(
                Collections.newSetFromMap(new IdentityHashMap<>()));
        CountDownLatch start = new CountDownLatch(1);
        Thread[] threads = new Thread[8];
        for (int i = 0; i < threads.length; i++) {
            threads[i] = Thread.ofPlatform().start(() -> {
                try {
                    start.await();
                    answers.add(NativeLibraries.status(NativeLibrary.OPENBLAS));
                } catch (InterruptedException interrupted) {
                    throw new AssertionError(interrupted);
                }
            });
        }
        start.countDown();
        for (Thread thread : threads) {
            thread.join();
        }
        System.out.println("answers: " + answers.size());
    }

    private static void askWhileInterrupted() {
        Thread.currentThread().interrupt();
        System.out.println(NativeLibraries.status(NativeLibrary.OPENBLAS).report());
        System.out.println("interrupted: " + Thread.interrupted());
    }

    private static void callWithoutAsking() {
        System.out.println("constant: " + OpenBlas.CblasRowMajor());
        try {
            NativeLibraries.require(NativeLibrary.OPENBLAS);
        } catch (NativeLibraryException missing) {
            System.out.println("require: " + missing.getMessage());
        }
        try {
            System.out.println(OpenBlas.openblas_get_num_threads());
        } catch (ExceptionInInitializerError missing) {
            System.out.println("call: " + missing.getCause());
        }
    }
}
