package dev.isthmus.tools.parity;

import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.weights.StoredType;
import dev.isthmus.engine.weights.TensorInfo;
import dev.isthmus.tools.io.Digests;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;

/** Checks that a directory's files and tensors are the published ones, bit by bit. */
final class IdentityChecks {

    private static final String WEIGHTS = Checkpoint.SINGLE_FILE;

    private IdentityChecks() {}

    static Check of(PublishedEntry entry) {
        Tree expected = entry.expected();
        return switch (entry.id()) {
            case "identity-gpt2-files" -> files(OfficialFile.of(expected.get("files")),
                    expected.get("parameter_count").whole());
            case "identity-other-sizes" -> otherSizes(expected);
            case "identity-tensors" -> tensors(expected);
            default -> throw new NoSuchElementException(entry.id() + ": unknown identity " + expected.names());
        };
    }

    /** Every published file that the directory has. Files that people add or change, such as README.md, are theirs. */
    private static Check files(Map<String, OfficialFile> files, long parameters) {
        return subject -> {
            Comparison comparison = new Comparison();
            compareFiles(subject.directory(), files, comparison);
            try (Checkpoint checkpoint = Checkpoint.open(subject.directory())) {
                comparison.equal("parameters", parameters, ParameterCount.of(checkpoint));
            }
            return comparison.outcome();
        };
    }

    private static void compareFiles(Path directory, Map<String, OfficialFile> files, Comparison comparison) {
        for (OfficialFile file : files.values()) {
            Path path = directory.resolve(file.name());
            if (Files.isRegularFile(path) && !file.name().endsWith(".md") && !file.name().startsWith(".")) {
                file.bytes().ifPresent(bytes -> comparison.equal("size of " + file.name(), bytes, size(path)));
                comparison.equal("SHA-256 of " + file.name(), file.sha256(), Digests.sha256(path));
            }
        }
    }

    private static long size(Path path) {
        try {
            return Files.size(path);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Check otherSizes(Tree expected) {
        List<String> models = List.copyOf(expected.names());
        models.forEach(model -> OfficialFile.of(expected.get(model)));
        return subject -> {
            String title = PublishedModel.of(subject.model().config()).map(PublishedModel::title).orElse("");
            if (!models.contains(title)) {
                return Outcome.notApplicable("it is about " + String.join(", ", models));
            }
            Comparison comparison = new Comparison();
            compareFiles(subject.directory(), OfficialFile.of(expected.get(title)), comparison);
            return comparison.outcome();
        };
    }

    /** Every tensor's bytes, and where the file is the published one, every tensor's place and the causal masks. */
    private static Check tensors(Tree expected) {
        Map<String, OfficialTensor> tensors = OfficialTensor.of(expected.get("tensors"));
        long fileBytes = expected.get("data_start").whole() + expected.get("data_bytes").whole();
        String maskSha256 = expected.get("masks").get("sha256").text();
        return subject -> {
            Comparison comparison = new Comparison();
            Path weights = subject.directory().resolve(WEIGHTS);
            boolean published = Files.isRegularFile(weights) && size(weights) == fileBytes;
            try (Checkpoint checkpoint = Checkpoint.open(subject.directory())) {
                tensors.values().forEach(tensor -> compare(checkpoint, tensor, published, comparison));
                checkpoint.tensors().stream().filter(tensor -> ParameterCount.isBuffer(tensor.name()) && published)
                        .forEach(mask -> comparison.equal("SHA-256 of " + mask.name(), maskSha256,
                                Digests.sha256(checkpoint, mask)));
            }
            return comparison.outcome();
        };
    }

    private static void compare(Checkpoint checkpoint, OfficialTensor tensor, boolean published,
            Comparison comparison) {
        Optional<TensorInfo> found = Subject.tensor(checkpoint, tensor.name());
        comparison.equal(tensor.name() + " is there", true, found.isPresent());
        found.ifPresent(info -> {
            comparison.equal("shape of " + tensor.name(), tensor.shape(), info.shape());
            comparison.equal("type of " + tensor.name(), StoredType.F32, info.type());
            if (published) {
                comparison.equal("place of " + tensor.name(), tensor.fileOffset(), info.begin());
            }
            comparison.equal("SHA-256 of " + tensor.name(), tensor.sha256(), Digests.sha256(checkpoint, info));
        });
    }
}
