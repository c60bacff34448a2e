package dev.isthmus.bindings;

import dev.isthmus.bindings.LibraryStatus.Attempt;
import dev.isthmus.bindings.LibraryStatus.Loaded;
import dev.isthmus.bindings.LibraryStatus.Origin;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * One search for one library: by name in a setting, then among the class path's resources, then by the system's
 * loader. The first that loads and passes {@link LibraryCheck} is used. A setting ends the search whatever comes of
 * it: who names a library wants that one and no other.
 */
final class LibrarySearch {
    /** What came of it: the symbols are null where the library is not available. */
    record Result(LibraryStatus status, SymbolLookup symbols) {
    }

    private static final String OFF = "none";

    /**
     * Keeps libraries loaded after this class and its loader are gone. libisthmus leaves the process a signal handler,
     * OpenBLAS and the CUDA driver run threads: their code must stay. A later class loader gets the same copy.
     */
    private static final Arena FOREVER = Arena.global();

    private final NativeLibrary library;
    private final Settings settings;
    private final Platform platform;
    private final ClassLoader classLoader;
    private final List<Attempt> attempts = new ArrayList<>();
    private Loaded loaded;
    private SymbolLookup symbols;

    private LibrarySearch(NativeLibrary library, Settings settings, Platform platform, ClassLoader classLoader) {
        this.library = library;
        this.settings = settings;
        this.platform = platform;
        this.classLoader = classLoader;
    }

    /** Looks for the library and loads it. Whatever goes wrong is an attempt in the result's status. */
    static Result run(NativeLibrary library, Settings settings, Platform platform, ClassLoader classLoader) {
        LibrarySearch search = new LibrarySearch(library, settings, platform, classLoader);
        try {
            search.search();
        } catch (IllegalCallerException denied) {
            search.fail("native access", nativeAccessDenied());
        } catch (RuntimeException | LinkageError unexpected) {
            search.fail("search", "it ended with " + unexpected);
        }
        LibraryStatus status = new LibraryStatus(library, Optional.ofNullable(search.loaded), search.attempts);
        return new Result(status, search.symbols);
    }

    static String nativeAccessDenied() {
        Module module = LibrarySearch.class.getModule();
        return "this JVM was started without native access; add --enable-native-access="
                + (module.isNamed() ? module.getName() : "ALL-UNNAMED") + " to java's options";
    }

    private void search() {
        String named = settings.property(library.property());
        if (named != null) {
            searchNamed("-D" + library.property(), named);
            return;
        }
        named = settings.variable(library.variable());
        if (named != null) {
            searchNamed(library.variable(), named);
            return;
        }
        if (library.isBundled() && searchBundled()) {
            return;
        }
        searchSystem();
    }

    private void searchNamed(String setting, String value) {
        String place = setting + "=" + value;
        if (value.equals(OFF)) {
            fail(place, LibraryStatus.SWITCHED_OFF);
            return;
        }
        try {
            Path path = Path.of(value);
            if (Files.isRegularFile(path)) {
                load(Origin.NAMED, place, withSiblings(path.toAbsolutePath()));
            } else if (path.getNameCount() == 1 && !path.isAbsolute() && !Files.exists(path)) {
                loadByName(Origin.NAMED, place, value);
            } else {
                fail(place, Files.exists(path) ? "this is no file" : "there is no such file");
            }
        } catch (InvalidPathException invalid) {
            fail(place, "this is no path: " + invalid.getReason());
        }
    }

    /** A named file after those beside it that it may depend on, as where an OpenBLAS was unpacked from a jar. */
    private List<Path> withSiblings(Path file) {
        List<Path> files = new ArrayList<>();
        for (String dependency : library.dependencies(platform, file.getFileName().toString())) {
            Path sibling = file.resolveSibling(dependency);
            if (Files.isRegularFile(sibling) && !sibling.equals(file)) {
                files.add(sibling);
            }
        }
        files.add(file);
        return files;
    }

    private boolean searchBundled() {
        if (!platform.isKnown()) {
            fail("class path", "no " + library.title() + " is made for this platform, " + platform);
            return false;
        }
        String folder = library.resourceFolder(platform);
        List<BundledResource> resources = new ArrayList<>();
        List<Path> files = new ArrayList<>();
        for (String fileName : library.bundledFiles(platform)) {
            String place = "class path resource " + folder + "/" + fileName;
            try {
                Optional<BundledResource> resource = BundledResource.find(classLoader, folder, fileName);
                if (resource.isEmpty()) {
                    fail(place, missingResource());
                    return false;
                }
                resources.add(resource.get());
                resource.get().file().ifPresent(files::add);
            } catch (IOException unreadable) {
                fail(place, reason(unreadable));
                return false;
            }
        }
        if (files.size() == resources.size()) {
            return load(Origin.BUNDLED, files.getLast().toString(), files);
        }
        for (NativeCache cache : NativeCache.places(settings, platform)) {
            List<Path> extracted = extract(cache, resources);
            if (extracted.isEmpty()) {
                continue;
            }
            String place = extracted.getLast().toString();
            Optional<SymbolLookup> opened = open(place, extracted);
            if (opened.isPresent()) {
                // One that opens and is refused would be refused from anywhere else too.
                boolean accepted = accept(Origin.BUNDLED, place, place, opened.get());
                if (accepted && cache.perProcess()) {
                    warnAboutUnpackingAtEachStart();
                }
                return accepted;
            }
        }
        return false;
    }

    /** The extracted files; none where the cache cannot take them. */
    private List<Path> extract(NativeCache cache, List<BundledResource> resources) {
        try {
            return cache.extract(library.baseName() + "-" + platform.name(), resources);
        } catch (IOException unwritable) {
            fail("extraction to " + cache.root(), reason(unwritable));
            return List.of();
        }
    }

    private void warnAboutUnpackingAtEachStart() {
        String reason = attempts.size() > 1 ? attempts.getFirst().toString() : "this user has no home directory whose name this locale can write";
        warn("Unpacked {0} for this process alone, which costs time at each start: {1}. To keep it, name a"
                + " directory that can be written and executed from with -D{2} or {3}.",
                library.title(), reason, NativeCache.PROPERTY, NativeCache.VARIABLE);
    }

    private static void warn(String format, Object... values) {
        System.getLogger("dev.isthmus.bindings").log(System.Logger.Level.WARNING, format, values);
    }

    private String missingResource() {
        return switch (library) {
            case OPENBLAS -> "not found; it comes with the jar org.bytedeco:openblas, classifier "
                    + platform.bytedecoClassifier() + ", which belongs on the class path";
            case ISTHMUS -> "not found; it comes with the jar dev.isthmus:isthmus-native, classifier " + platform.name()
                    + ", where that was built with a C compiler";
            case CUDA, CUBLAS -> "not found";
        };
    }

    private void searchSystem() {
        List<String> names = library.systemNames(platform);
        if (names.isEmpty() && !library.isBundled()) {
            fail("the system", "there is no " + library.title() + " for this platform, " + platform);
        }
        for (String name : names) {
            if (loadByName(Origin.SYSTEM, "the system's " + name, name)) {
                if (library == NativeLibrary.OPENBLAS) {
                    warnAboutSystemLibrary();
                }
                return;
            }
        }
        if (!library.isBundled()) {
            for (Path file : CudaPlaces.files(names, settings)) {
                if (load(Origin.SYSTEM, file.toString(), withSiblings(file))) {
                    return;
                }
            }
        }
    }

    private void warnAboutSystemLibrary() {
        Map<String, String> details = loaded.details();
        warn("Using the system''s OpenBLAS {0} ({1}), whose openblas_get_corename says {2}. Such builds often pick"
                        + " kernels several times slower than the processor allows; the jar org.bytedeco:openblas,"
                        + " classifier {3}, has a better one.",
                details.get("version"), loaded.path(), details.get("core"), platform.bytedecoClassifier());
    }

    private boolean load(Origin origin, String place, List<Path> files) {
        Optional<SymbolLookup> opened = open(place, files);
        return opened.isPresent() && accept(origin, place, files.getLast().toString(), opened.get());
    }

    private boolean loadByName(Origin origin, String place, String name) {
        try {
            return accept(origin, place, name, SymbolLookup.libraryLookup(name, FOREVER));
        } catch (IllegalArgumentException notFound) {
            fail(place, "the system's loader does not find it");
            return false;
        }
    }

    /** Opens files in order, the library itself last; gives that one's symbols, or none where one does not open. */
    private Optional<SymbolLookup> open(String place, List<Path> files) {
        try {
            SymbolLookup last = null;
            for (Path file : files) {
                last = open(file);
            }
            return Optional.ofNullable(last);
        } catch (LoadFailure failure) {
            boolean musl = library == NativeLibrary.OPENBLAS && Platform.libc() == Platform.Libc.MUSL;
            fail(place, failure.getMessage() + (musl ? " (this JVM runs on musl; the bundled one needs glibc)" : ""));
            return Optional.empty();
        }
    }

    /** Keeps an opened library if it is what it should be. */
    private boolean accept(Origin origin, String place, String path, SymbolLookup opened) {
        try {
            loaded = new Loaded(origin, path, LibraryCheck.details(library, opened));
            symbols = opened;
            attempts.add(Attempt.succeeded(place));
            return true;
        } catch (LoadFailure refused) {
            fail(place, refused.getMessage());
            return false;
        }
    }

    private static SymbolLookup open(Path file) throws LoadFailure {
        try {
            return SymbolLookup.libraryLookup(file, FOREVER);
        } catch (IllegalArgumentException noReasonGiven) {
            throw new LoadFailure(systemReason(file));
        }
    }

    /** Why the system's loader refuses a file: libraryLookup does not tell, System.load does. */
    private static String systemReason(Path file) {
        try {
            System.load(file.toAbsolutePath().toString());
            return "it could not be opened at first";
        } catch (UnsatisfiedLinkError refused) {
            // The file's name stands twice before most of the system's own words.
            String prefix = file.toAbsolutePath() + ": ";
            String message = refused.getMessage();
            return message.startsWith(prefix + prefix) ? message.substring(prefix.length()) : message;
        }
    }

    private void fail(String place, String reason) {
        attempts.add(Attempt.failed(place, reason));
    }

    /** An I/O failure in words: some of the exceptions have nothing but a path for a message. */
    private static String reason(IOException failure) {
        return switch (failure) {
            case AccessDeniedException denied -> "permission denied: " + denied.getMessage();
            case NoSuchFileException absent -> "no such file or directory: " + absent.getMessage();
            case FileAlreadyExistsException file -> "not a directory: " + file.getMessage();
            default -> failure.getMessage() == null ? failure.toString() : failure.getMessage();
        };
    }
}
