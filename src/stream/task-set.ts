/** Actions that go on beside each other; the first that fails ends them all. */
export interface TaskSet {
  add(task: Promise<void>): void;
  /** Resolves when none is left, also of those that were added meanwhile. */
  settled(): Promise<void>;
}

/** @param fail told of every failure; nothing rejects unseen */
export function createTaskSet(fail: (error: unknown) => void): TaskSet {
  const tasks = new Set<Promise<void>>();
  return {
    add(task) {
      const watched = task.catch(fail).finally(() => {
        tasks.delete(watched);
      });
      tasks.add(watched);
    },
    async settled() {
      while (tasks.size > 0) await Promise.all(tasks);
    },
  };
}
