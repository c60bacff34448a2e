package dev.isthmus.bindings;

import dev.isthmus.bindings.isthmus.Isthmus;
import java.io.File;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.WeakReference;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.Map;

/**
 * Applications that come and go in one JVM, each with a class loader of its own, as an application server has them.
 * {@link ChildMain} runs it.
 */
public final class Redeployment {
    private static final int BYTES = 1 << 16;
    private static final long PATIENCE_NANOS = 30_000_000_000L;

    private final Map<String, URLClassLoader> deployed = new HashMap<>();

    /**
     * Takes steps: {@code +FILE} deploys an application that uses this copy of libisthmus, {@code -FILE} undeploys it.
     * After each step a mapped file of nobody's shrinks, for which Java promises an {@link InternalError}.
     */
    void run(Iterable<String> steps) throws Exception {
        for (String step : steps) {
            String library = step.substring(1);
            if (step.startsWith("+")) {
                deploy(library);
            } else {
                undeploy(library);
            }
            readShrunkenFile();
            System.out.println("survived " + step.charAt(0) + Path.of(library).getFileName());
        }
    }

    private void deploy(String library) throws Exception {
        String[] classPath = System.getProperty("java.class.path").split(File.pathSeparator);
        URL[] urls = new URL[classPath.length];
        for (int i = 0; i < urls.length; i++) {
            urls[i] = Path.of(classPath[i]).toUri().toURL();
        }
        System.setProperty(NativeLibrary.ISTHMUS.property(), library);
        URLClassLoader loader = new URLClassLoader(urls, ClassLoader.getPlatformClassLoader());
        inThread(() -> loader.loadClass(Redeployment.class.getName()).getMethod("watchFileThatShrinks").invoke(null));
        deployed.put(library, loader);
    }

    private void undeploy(String library) throws Exception {
        WeakReference<ClassLoader> gone = close(library);
        long begun = System.nanoTime();
        while (gone.get() != null) {
            if (System.nanoTime() - begun > PATIENCE_NANOS) {
                throw new AssertionError("the class loader is not collected");
            }
            System.gc();
            Thread.sleep(10);
        }
        // The library is closed by a cleaner's thread, after the loader is found unreachable.
        System.gc();
        Thread.sleep(200);
    }

    private WeakReference<ClassLoader> close(String library) throws IOException {
        URLClassLoader loader = deployed.remove(library);
        loader.close();
        return new WeakReference<>(loader);
    }

    /** Runs an application's code in a thread that ends, since a thread keeps class loaders alive. */
    private static void inThread(Task task) throws InterruptedException {
        Throwable[] failure = new Throwable[1];
        Thread thread = Thread.ofPlatform().start(() -> {
            try {
                task.run();
            } catch (Throwable failed) {
                failure[0] = failed;
            }
        });
        thread.join();
        if (failure[0] != null) {
            throw new AssertionError(failure[0]);
        }
    }

    private interface Task {
        void run() throws Exception;
    }

    /** What the application does: it watches a mapped file, which then shrinks and reads as zeros. */
    public static void watchFileThatShrinks() throws IOException {
        NativeLibraries.require(NativeLibrary.ISTHMUS);
        Path file = Files.createTempFile("watched", ".bin");
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE);
                Arena arena = Arena.ofConfined()) {
            channel.write(ByteBuffer.wrap(new byte[] {1}), BYTES - 1);
            MemorySegment mapped = channel.map(FileChannel.MapMode.READ_ONLY, 0, BYTES, arena);
            int watch = Isthmus.isthmus_watch(mapped, BYTES);
            channel.truncate(0);
            byte read = mapped.get(ValueLayout.JAVA_BYTE, BYTES - 1);
            int whole = Isthmus.isthmus_is_whole(watch);
            Isthmus.isthmus_unwatch(watch);
            if (watch < 0 || read != 0 || whole != 0) {
                throw new AssertionError("watch " + watch + ", read " + read + ", whole " + whole);
            }
        } finally {
            Files.delete(file);
        }
    }

    private static void readShrunkenFile() throws IOException {
        Path file = Files.createTempFile("mapped", ".bin");
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(new byte[] {1}), BYTES - 1);
            MappedByteBuffer mapped = channel.map(FileChannel.MapMode.READ_ONLY, 0, BYTES);
            channel.truncate(0);
            mapped.get(BYTES - 1);
            throw new AssertionError("a byte after the file's end is read");
        } catch (InternalError promised) {
            return;
        } finally {
            Files.delete(file);
        }
    }
}
