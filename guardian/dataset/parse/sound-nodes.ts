import type { Node, Tree } from 'web-tree-sitter';

/** How deep it is looked for what is whole inside of what is broken: a class in a namespace, a method in a class. */
const maxDepth = 8;

/**
 * The largest nodes of a tree without syntax errors in them. Of a sound tree that is its root. What stands right
 * inside an error is no such node: it may be anything, and there may be so many of them that a query would never end.
 */
export function soundNodes(tree: Tree): Node[] {
  if (!tree.rootNode.hasError) return [tree.rootNode];
  const sound: Node[] = [];
  const cursor = tree.walk();
  try {
    let depth = 0;
    let isDown = cursor.gotoFirstChild();
    if (isDown) depth = 1;
    while (depth > 0) {
      const node = cursor.currentNode;
      isDown = node.hasError && !node.isError && depth < maxDepth && cursor.gotoFirstChild();
      if (isDown) {
        depth += 1;
        continue;
      }
      if (!node.hasError && node.isNamed) sound.push(node);
      while (depth > 0 && !cursor.gotoNextSibling()) {
        cursor.gotoParent();
        depth -= 1;
      }
    }
    return sound;
  } finally {
    cursor.delete();
  }
}
